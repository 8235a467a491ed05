// The talk with the server: comes in, asks, and puts what it hears into the store. After a cut it fetches what it
// missed. No DOM: node tests it with a link that is a script.

import { EVERYBODY } from "./store.js";

/** @typedef {{name: string, password: string, kind: "guest" | "account" | "new"}} Identity */

const PAGE = 50;
const CATCH_UP = 200;
const SERVER = "Serveur";

export class Session {
	/**
	 * out: the form is there. entering: the first time. in: we talk. away: cut, and coming back. ended: for good.
	 * @type {"out" | "entering" | "in" | "away" | "ended"}
	 */
	phase = "out";
	/** Why we are not in: the code of an error, or the server's text. */
	reason = { code: "", text: "" };
	/** Seconds until the next try. */
	wait = 0;
	language = "fr";
	/** @type {Command[]} */
	commands = [];
	/** The password stays in memory, for the next time after a cut. @type {Identity | null} */
	identity = null;
	/** Those that wait for answers, in order. @type {{kind: string, done: Done, failed: Failed, rows: Message[]}[]} */
	questions = [];
	farewell = "";
	listing = false;
	/** Channels to join again after a cut. @type {Place[]} */
	again = [];

	/** @param {Link} link @param {Store} store */
	constructor(link, store) {
		this.link = link;
		this.store = store;
		link.onopen = () => this.#introduce();
		link.onmessage = (message) => this.#hear(message);
		link.onclose = (seconds, final) => this.#cut(seconds, final);
	}

	// What the page hangs in: the phase or the reason has changed; an error; a search found this; a line that is unknown
	// here; we have come in.
	changed() {}
	/** @type {Failed} */
	trouble = () => {};
	/** @type {(query: string, found: Message[]) => void} */
	found = () => {};
	/** @type {(message: Message) => void} */
	other = () => {};
	welcomed() {}

	/** Come in under this name. @param {Identity} identity */
	enter(identity) {
		this.identity = identity;
		this.#become("entering");
		if (this.link.ready) this.#introduce();
		else this.link.open();
	}

	/** Go out, for good. */
	leave() {
		this.link.close();
		this.identity = null;
		this.again = [];
		this.store.reset();
		this.#become("out");
	}

	/** Come back after the connection was ended for good. */
	comeBack() {
		this.#become("away");
		this.link.open();
	}

	/** @param {Session["phase"]} phase @param {string} [code] @param {string} [text] the reason */
	#become(phase, code = "", text = "") {
		this.phase = phase;
		this.reason = { code, text };
		this.changed();
	}

	#introduce() {
		this.questions = [];
		this.farewell = "";
		const { identity } = this;
		if (identity === null) return;
		const { name: username, password } = identity;
		/** @type {Failed} */
		const refused = (code, text) => this.#turnedAway(code, text);
		const login = () => this.ask({ type: "login", username, password }, (me) => this.#welcome(me.username, false), refused);
		if (identity.kind === "guest") {
			this.link.send({ type: "message", from: username, content: "" });
			this.#welcome(username, true);
		} else if (identity.kind === "new") {
			this.ask({ type: "register", username, password }, () => {
				identity.kind = "account"; // the next time it is there
				login();
			}, refused);
		} else {
			login();
		}
	}

	/** @param {string} code @param {string} text */
	#turnedAway(code, text) {
		const back = this.phase === "away" || this.phase === "in";
		const final = code === "login_failed" || code === "banned";
		if (!back || final) this.#become(back ? "ended" : "out", code, text);
		else this.link.drop(); // the next try may be luckier
		if (code === "banned" || (back && final)) this.link.close();
		if (this.phase === "out") this.identity = null;
	}

	/** We are in: ask for everything, and for what we have missed. @param {string} name @param {boolean} guest */
	#welcome(name, guest) {
		const { store, link } = this;
		Object.assign(store, { me: name, guest });
		this.wait = 0;
		this.#become("in");
		link.settled();
		link.send({ type: "users" });
		if (store.state !== "online") link.send({ type: "status", state: store.state });
		for (const place of this.again) this.ask({ type: "join", channel: place.name }, () => this.#joined(place));
		this.again = [];
		this.askCommands();
		this.refresh();
		for (const place of store.conversations.values()) {
			if (place.key === EVERYBODY || place.kind === "private") this.#fetch(place);
		}
		this.welcomed();
	}

	/** @param {number} seconds until the next try @param {boolean} final the server wants us to stay away */
	#cut(seconds, final) {
		this.questions = [];
		this.wait = seconds;
		if (this.phase === "in") {
			const open = [...this.store.conversations.values()];
			this.again = open.filter((place) => place.kind === "channel" && place.joined && place.key !== EVERYBODY);
			this.store.cut();
			this.phase = "away";
		}
		if (final) {
			this.link.close();
			this.#become("ended", "", this.farewell);
		}
		this.changed();
	}

	// --- questions and their answers ---

	/**
	 * @param {Message} request
	 * @param {Done} done
	 * @param {Failed} [failed]
	 * @param {string} [kind] of the answer
	 */
	ask(request, done, failed = (code, text) => this.trouble(code, text), kind = request.type) {
		if (this.link.send(request)) this.questions.push({ kind, done, failed, rows: [] });
	}

	askCommands() {
		this.ask({ type: "commands", language: this.language }, (answer) => (this.commands = answer.commands));
	}

	/** Ask for the channels. */
	refresh() {
		if (this.phase === "in") this.ask({ type: "channels" }, (answer) => this.store.setChannels(answer.channels));
	}

	/** @param {string} channel */
	join(channel) {
		const known = this.store.channel(channel);
		if (known.joined) return this.store.select(known);
		this.ask({ type: "join", channel }, (answer) => {
			const place = Object.assign(this.store.channel(answer.channel), { topic: answer.topic });
			this.#joined(place);
			this.store.select(place);
			this.refresh();
		});
	}

	/** @param {Place} place */
	#joined(place) {
		place.joined = true;
		this.#fetch(place);
	}

	/** @param {Place} place */
	leaveChannel(place) {
		this.ask({ type: "leave", channel: place.name }, () => this.refresh());
		this.store.select(this.store.channel(""));
	}

	/** The private messages with a person. @param {string} name */
	open(name) {
		const place = this.store.exchange(name);
		if (!place.loaded) this.#fetch(place);
		this.store.select(place);
	}

	/** The newest messages; or, after a cut, all that came since. @param {Place} place */
	#fetch(place) {
		place.loaded = true;
		this.#page(place, place.catching ? { limit: CATCH_UP, after: place.upTo } : { limit: PAGE });
	}

	/** Older messages. @param {Place} place */
	older(place) {
		const before = place.items.find((item) => item.id !== null)?.id;
		if (!place.more || !before || this.phase !== "in") return;
		place.more = false; // until the answer is there, or it would be asked twice
		this.#page(place, { limit: PAGE, before });
	}

	/** @param {Place} place */
	#where(place) {
		return place.kind === "private" ? { with: place.name } : { channel: place.name };
	}

	/** @param {Place} place @param {{limit: number, after?: number, before?: number}} which */
	#page(place, which) {
		const { store } = this, catching = which.after !== undefined;
		this.ask({ type: "history", ...this.#where(place), ...which }, (answer, rows) => {
			for (const row of rows) store.add(place, row);
			if (!catching) place.more = answer.more;
			else if (!answer.more) return store.caughtUp(place);
			else {
				place.upTo = rows[rows.length - 1].id;
				this.#fetch(place);
			}
			store.changed();
		}, (code, text) => {
			if (catching) store.caughtUp(place);
			if (place.kind !== "private") this.trouble(code, text); // with a guest there is no history
		});
	}

	/** @param {Place} place @param {string} query */
	search(place, query) {
		this.ask({ type: "history", ...this.#where(place), query, limit: PAGE }, (_, rows) => this.found(query, rows));
	}

	// --- what we say ---

	/** @param {Place} place @param {string} content that the others will read */
	say(place, content) {
		const item = this.store.pend(place, content);
		const where = place.kind === "private" ? { subtype: "private", to: place.name } : { channel: place.name };
		// a slash at the start would be a command
		const text = content.startsWith("/") ? `/${content}` : content;
		if (!this.link.send({ type: "message", ...where, content: text, ref: item.ref })) item.state = "lost";
	}

	/** A typed command that the server runs. Afterwards the own state or channels may be others. @param {string} content */
	command(content) {
		this.link.send({ type: "message", channel: "#général", content });
		this.link.send({ type: "users" });
		this.refresh();
	}

	/** @param {string} state */
	setState(state) {
		if (this.link.send({ type: "status", state })) this.store.setState(this.store.me, state);
	}

	// --- what we hear ---

	/** @param {Message} message */
	#hear(message) {
		const { store } = this, { type } = message;
		this.listing = type === "users" || (type === "status" && this.listing);
		const asked = this.questions.findIndex((question) => question.kind === type);
		if (type === "message" || type === "private") {
			if (message.history) this.questions.find(({ kind }) => kind === "history")?.rows.push(message);
			else if (message.from === SERVER) this.#notice(message);
			else store.add(this.#place(message), message);
		} else if (type === "sent") store.confirm(message.ref, message.id ?? null, message.timestamp);
		else if (type === "error") this.#refused(message);
		else if (type === "status") {
			// of us it speaks only behind a list; else it is a guest's old name that has ended
			if (this.listing || !store.isMe(message.user)) store.setState(message.user, message.state);
		}
		else if (type === "users") store.setPeople(message.users);
		else if ((type === "join" || type === "leave") && message.user !== undefined) {
			store.channel(message.channel).members += type === "join" ? 1 : -1;
			store.changed();
		} else if (asked >= 0) {
			const [question] = this.questions.splice(asked, 1);
			question.done(message, question.rows);
		} else this.other(message);
	}

	/** Where a message belongs. @param {Message} message */
	#place({ subtype, from, to, channel }) {
		if (subtype !== "private") return this.store.channel(channel ?? "");
		return this.store.exchange(this.store.isMe(from) ? to : from);
	}

	/** @param {Message} message of the server itself */
	#notice({ subtype, content, channel }) {
		const { store } = this, { current } = store;
		if (subtype === "private") this.farewell = content; // if it is the last word
		const place = subtype === "private" ? current : store.channel(channel ?? "");
		store.notice(content, place, SERVER);
		// what concerns everybody must be seen
		if (place.key === EVERYBODY && current !== place) store.notice(content, current, SERVER);
	}

	/** @param {Message} error */
	#refused({ code, message, ref }) {
		if (code === "banned") this.#turnedAway(code, message);
		else if (ref !== undefined && this.store.refuse(ref, code)) return; // it is shown beside the message
		// answers come in the order of the questions; a client that is too fast is told so at any time
		else if (this.questions.length > 0 && (code !== "rate_limited" || this.phase !== "in")) {
			this.questions.shift()?.failed(code, message);
		}
		else this.trouble(code, message);
	}
}
