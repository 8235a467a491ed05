// The connection to the server: one WebSocket that carries the lines of the protocol, and comes back after a cut.
// It knows nothing of what the lines say, except that they are JSON objects.

/** @typedef {{[key: string]: any}} Message */
/** @typedef {"in" | "out"} Way "in": the server said it. "out": this page said it. */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** Milliseconds without a line after which the page asks whether the server is still there. */
const SILENCE = 40_000;
/** Milliseconds that the answer to this question may take. */
const PATIENCE = 10_000;

/**
 * How long to wait before try number `tries` (from 0 on): twice as long each time, up to ten seconds.
 * A class whose server starts again must not come back in the same instant, so `random` (0 to 1) takes off up to half.
 * @param {number} tries
 * @param {number} random
 * @returns {number} milliseconds
 */
export function wait(tries, random) {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(tries, 10)) * (1 - random / 2);
}

/**
 * The lines of one WebSocket message, without the empty ones.
 * @param {string} data
 * @returns {string[]}
 */
export function lines(data) {
  return data.split("\n").filter((line) => line.trim() !== "");
}

export class Link {
  /** @param {string} address of the WebSocket */
  constructor(address) {
    this.address = address;
    /** Called when the connection is there. */
    this.onopen = () => {};
    /** Called for each line, as an object. @type {(message: Message) => void} */
    this.onmessage = () => {};
    /** Called when the connection has ended: in how many seconds the next try is. @type {(seconds: number) => void} */
    this.onclose = () => {};
    /** Called for each line of text, both ways: see cable.js. @type {(way: Way, line: string) => void} */
    this.onwire = () => {};
    /** @type {WebSocket | null} */
    this.socket = null;
    this.wanted = false;
    this.tries = 0;
    this.timer = 0;
    this.heard = 0;
    this.asked = 0;
    setInterval(() => this.watch(), 5000);
    addEventListener("online", () => this.retry());
  }

  get ready() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  /** Connect, and stay connected until `close`. */
  open() {
    this.wanted = true;
    clearTimeout(this.timer);
    if (this.socket !== null) return;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      this.heard = Date.now();
      this.asked = 0;
      this.onopen();
    };
    socket.onmessage = (event) => {
      this.heard = Date.now();
      if (typeof event.data === "string") lines(event.data).forEach((line) => this.receive(line));
    };
    socket.onclose = () => this.ended(socket);
  }

  /** End the connection, and do not come back. */
  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.tries = 0;
    if (socket !== null) socket.close();
  }

  /** Give this connection up, and make another one a little later. */
  drop() {
    const socket = this.socket;
    if (socket === null) return;
    socket.onmessage = null;
    socket.close();
    this.ended(socket); // a network that is gone would let the socket's own event come minutes later
  }

  /** The server has let us in: the next cut begins with short waits again. */
  settled() {
    this.tries = 0;
  }

  /** Try now instead of later. */
  retry() {
    if (this.wanted && this.socket === null) this.open();
  }

  /**
   * @param {Message} message
   * @returns {boolean} whether there is a connection to send it on
   */
  send(message) {
    return this.sendLine(JSON.stringify(message));
  }

  /**
   * Send a text as it is, for people who try what the server says to it.
   * @param {string} line
   */
  sendLine(line) {
    if (this.socket === null || !this.ready) return false;
    this.socket.send(`${line}\n`);
    this.onwire("out", line);
    return true;
  }

  /** @param {string} line */
  receive(line) {
    this.onwire("in", line);
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return; // the cable shows it; there is nothing else to do with it
    }
    if (typeof message === "object" && message !== null) this.onmessage(message);
  }

  /** @param {WebSocket} socket that has ended, or that we give up */
  ended(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    const delay = wait(this.tries++, Math.random());
    // the listener may close the link, so the timer is there before
    if (this.wanted) this.timer = setTimeout(() => this.open(), delay);
    this.onclose(delay / 1000);
  }

  /** A network that is gone does not say so: after a long silence ask, and then give up. */
  watch() {
    if (!this.ready) return;
    const now = Date.now();
    if (this.asked > this.heard) {
      if (now - this.asked > PATIENCE) this.drop();
    } else if (now - this.heard > SILENCE) {
      this.asked = now;
      this.send({ type: "ping" });
    }
  }
}
