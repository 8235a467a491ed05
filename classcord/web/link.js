// The connection to the server: a WebSocket that carries lines, and comes back after a cut.

/** @typedef {{[key: string]: any}} Message */

const FIRST_WAIT = 500, LONGEST_WAIT = 10_000;
/** Milliseconds without a line after which we ask whether the server is there, and those for the answer. */
const SILENCE = 40_000, PATIENCE = 10_000;
/** The server ends a connection with this code when a person must go: see docs/PROTOCOLE.md. */
const SENT_AWAY = 1008;

/**
 * Milliseconds before another try: twice as long each time, up to ten seconds. A whole class must not come back in the
 * same instant, so `random` (0 to 1) takes off up to half.
 * @param {number} tries
 * @param {number} random
 */
export function wait(tries, random) {
	return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(tries, 10)) * (1 - random / 2);
}

/** The lines of one message of WebSocket. @param {string} data */
export function lines(data) {
	return data.split("\n").filter((line) => line.trim() !== "");
}

export class Link {
	/** @type {WebSocket | null} */
	socket = null;
	wanted = false;
	tries = 0;
	timer = 0;
	heard = 0;
	asked = 0;

	constructor() {
		this.address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
		setInterval(() => this.watch(), 5000);
		addEventListener("online", () => this.wanted && this.open());
	}

	// What the page hangs in: we are connected; a line has come; the connection has ended, and the next try is in so many
	// seconds; a line has passed, from here or to here.
	onopen() {}
	/** @type {(message: Message) => void} */
	onmessage = () => {};
	/** @type {(seconds: number, final: boolean) => void} */
	onclose = () => {};
	/** @type {(line: string, sent: boolean) => void} */
	onwire = () => {};

	get ready() {
		return this.socket?.readyState === WebSocket.OPEN;
	}

	/** Connect now, and stay connected until `close`. */
	open() {
		this.wanted = true;
		clearTimeout(this.timer);
		if (this.socket !== null) return;
		const socket = new WebSocket(this.address);
		this.socket = socket;
		socket.onopen = () => {
			this.heard = Date.now();
			this.onopen();
		};
		socket.onmessage = ({ data }) => {
			this.heard = Date.now();
			lines(data).forEach((line) => this.receive(line));
		};
		socket.onclose = ({ code }) => this.ended(socket, code === SENT_AWAY);
	}

	/** End the connection, and do not come back. */
	close() {
		this.wanted = false;
		clearTimeout(this.timer);
		const { socket } = this;
		this.socket = null;
		this.tries = 0;
		socket?.close();
	}

	/** Give this connection up, and make another one a little later. */
	drop() {
		const { socket } = this;
		if (socket === null) return;
		socket.onmessage = null;
		socket.close();
		this.ended(socket); // without a network the socket's own event comes minutes later
	}

	/** The server has let us in: the next cut begins with short waits again. */
	settled() {
		this.tries = 0;
	}

	/** Returns whether there is a connection to send it on. @param {Message} message */
	send(message) {
		return this.sendLine(JSON.stringify(message));
	}

	/** Send a text as it is. @param {string} line */
	sendLine(line) {
		if (!this.ready) return false;
		this.socket?.send(`${line}\n`);
		this.onwire(line, true);
		return true;
	}

	/** @param {string} line */
	receive(line) {
		this.onwire(line, false);
		try {
			this.onmessage(Object(JSON.parse(line)));
		} catch (error) {
			if (!(error instanceof SyntaxError)) throw error; // the cable shows a line that is not JSON
		}
	}

	/** @param {WebSocket} socket that has ended, or that we give up @param {boolean} [final] the server wants us to go */
	ended(socket, final = false) {
		if (socket !== this.socket) return;
		this.socket = null;
		const delay = wait(this.tries++, Math.random());
		if (this.wanted && !final) this.timer = setTimeout(() => this.open(), delay);
		this.onclose(delay / 1000, final);
	}

	/** A network that is gone does not say so: after a long silence ask, and then give up. */
	watch() {
		const now = Date.now();
		if (!this.ready) return;
		if (this.asked > this.heard) {
			if (now - this.asked > PATIENCE) this.drop();
		} else if (now - this.heard > SILENCE) {
			this.asked = now;
			this.send({ type: "ping" });
		}
	}
}
