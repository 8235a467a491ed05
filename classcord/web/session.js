// The talk with the server: comes in, asks, and puts what it hears into the store. After a cut it comes in again and
// fetches what it missed. No DOM: node tests it with a link that is a script.

import { EVERYBODY, channelKey } from "./store.js";

/** @typedef {{name: string, password: string, kind: "guest" | "account" | "new"}} Identity */
/** @typedef {{kind: string, done: (answer: Message, rows: Message[]) => void, failed: (code: string, text: string) => void,
 *   rows: Message[]}} Question */
/** @typedef {Pick<Link, "ready" | "open" | "close" | "drop" | "send" | "settled" | "onopen" | "onmessage"
 *   | "onclose">} Wire */

const PAGE = 50;
const CATCH_UP = 200;
const SERVER = "Serveur";

/**
 * The beginnings of what the server says, in French and in English, before it ends a connection for good: somebody
 * wants this client to stay away. tests/web compares them with the server's texts.
 */
export const FAREWELLS = [
  "Un enseignant met fin à votre connexion.", "A teacher ends your connection.",
  "Un enseignant vous exclut pendant ", "A teacher bans you for ",
  "Une nouvelle classe commence", "A new class begins",
];

export class Session {
  /**
   * @param {Wire} link
   * @param {Store} store
   */
  constructor(link, store) {
    this.link = link;
    this.store = store;
    /**
     * out: the form is there. entering: the first time. in: we talk. away: cut, and coming back. ended: for good.
     * @type {"out" | "entering" | "in" | "away" | "ended"}
     */
    this.phase = "out";
    /** Why we are not in: the code of an error or "" and the server's text. */
    this.reason = { code: "", text: "" };
    /** Seconds until the next try. */
    this.wait = 0;
    this.language = "fr";
    /** Called when the phase or the reason changes. */
    this.changed = () => {};
    /** Called for an error that answers nothing in particular. @type {(code: string, text: string) => void} */
    this.trouble = () => {};
    /** Called with the answer to a search. @type {(query: string, found: Message[]) => void} */
    this.found = () => {};
    /** Called with each line that this page does not know: cable.js and tableau.js do. @type {(message: Message) => void} */
    this.other = () => {};
    /** Called each time that we have come in. */
    this.welcomed = () => {};
    /** @type {import("./words.js").Command[]} */
    this.commands = [];
    /** @type {Identity | null} */
    this.identity = null;
    /** Questions that wait for their answers, in the order in which they were asked. @type {Question[]} */
    this.questions = [];
    this.farewell = "";
    /** Channels to join again after a cut. @type {Conversation[]} */
    this.again = [];
    link.onopen = () => this.#introduce();
    link.onmessage = (message) => this.#hear(message);
    link.onclose = (seconds) => this.#cut(seconds);
  }

  /** Come in under this name. The password stays in memory, for the next time after a cut. @param {Identity} identity */
  enter(identity) {
    this.identity = identity;
    this.phase = "entering";
    this.reason = { code: "", text: "" };
    if (this.link.ready) this.#introduce();
    else this.link.open();
    this.changed();
  }

  /** Go out, for good. */
  leave() {
    this.link.close();
    this.identity = null;
    this.questions = [];
    this.again = [];
    this.phase = "out";
    this.reason = { code: "", text: "" };
    this.store.reset();
    this.changed();
  }

  /** Come back after the connection was ended for good. */
  comeBack() {
    this.phase = "away";
    this.link.open();
    this.changed();
  }

  #introduce() {
    this.questions = [];
    this.farewell = "";
    const identity = this.identity;
    if (identity === null) return;
    if (identity.kind === "guest") {
      this.link.send({ type: "message", from: identity.name, content: "" });
      this.#welcome(identity.name, true);
    } else if (identity.kind === "new") {
      this.#ask({ type: "register", username: identity.name, password: identity.password }, () => {
        identity.kind = "account"; // the next time it is there
        this.#login(identity);
      }, (code, text) => this.#turnedAway(code, text));
    } else {
      this.#login(identity);
    }
  }

  /** @param {Identity} identity */
  #login(identity) {
    this.#ask(
      { type: "login", username: identity.name, password: identity.password },
      (answer) => this.#welcome(String(answer.username), false), (code, text) => this.#turnedAway(code, text)
    );
  }

  /** @param {string} code @param {string} text */
  #turnedAway(code, text) {
    this.reason = { code, text };
    const back = this.phase === "away" || this.phase === "in";
    if (code !== "server_full" && (!back || code === "login_failed" || code === "banned")) {
      this.phase = back ? "ended" : "out";
      if (back || code === "banned") this.link.close();
    } else if (code !== "server_full") {
      this.link.drop(); // the next try may be luckier; a full server ends the connection itself
    }
    this.changed();
  }

  /** We are in: ask for everything, and for what we have missed. @param {string} name @param {boolean} guest */
  #welcome(name, guest) {
    this.store.me = name;
    this.store.guest = guest;
    this.phase = "in";
    this.wait = 0;
    this.reason = { code: "", text: "" };
    this.link.settled();
    this.link.send({ type: "users" });
    if (this.store.state !== "online") this.link.send({ type: "status", state: this.store.state });
    for (const place of this.again) this.#ask({ type: "join", channel: place.name }, () => this.#joined(place));
    this.again = [];
    this.askCommands();
    this.refresh();
    for (const place of this.store.conversations.values()) {
      if (place.key === EVERYBODY || place.kind === "private") this.#fetch(place);
    }
    this.welcomed();
    this.changed();
  }

  /** @param {number} seconds until the next try */
  #cut(seconds) {
    this.questions = [];
    if (this.phase === "in") {
      const open = [...this.store.conversations.values()];
      this.again = open.filter((place) => place.kind === "channel" && place.joined && place.key !== EVERYBODY);
      this.store.cut();
    }
    if (this.farewell !== "" && this.phase !== "out") {
      this.phase = "ended";
      this.reason = { code: "", text: this.farewell };
      this.link.close();
    } else if (this.phase === "in") {
      this.phase = "away";
    }
    this.wait = seconds;
    this.changed();
  }

  // --- questions and their answers ---

  /**
   * @param {Message} request
   * @param {(answer: Message, rows: Message[]) => void} done
   * @param {(code: string, text: string) => void} [failed]
   * @param {string} [kind] of the answer
   */
  #ask(request, done, failed = (code, text) => this.trouble(code, text), kind = request.type) {
    if (this.link.send(request)) this.questions.push({ kind, done, failed, rows: [] });
  }

  askCommands() {
    // an older server does not know the question; then there is no completion
    this.#ask({ type: "commands", language: this.language }, (answer) => (this.commands = answer.commands), () => {});
  }

  /** Ask for the channels. */
  refresh() {
    if (this.phase === "in") this.#ask({ type: "channels" }, (answer) => this.store.setChannels(answer.channels));
  }

  /** @param {string} name */
  join(name) {
    const place = this.store.channel(name);
    if (place.joined) return this.store.select(place);
    this.#ask({ type: "join", channel: name }, (answer) => {
      const joined = this.store.channel(String(answer.channel));
      joined.topic = String(answer.topic ?? "");
      this.#joined(joined);
      this.store.select(joined);
      this.refresh();
    });
  }

  /** @param {Conversation} place */
  #joined(place) {
    this.store.setJoined(place, true);
    this.#fetch(place);
  }

  /** @param {Conversation} place */
  leaveChannel(place) {
    this.#ask({ type: "leave", channel: place.name }, () => {
      this.store.setJoined(place, false);
      if (this.store.current === place) this.store.select(this.store.channel("#général"));
      this.refresh();
    });
  }

  /** The topic of a channel; with a text, another one. @param {Conversation} place @param {string} topic */
  topic(place, topic) {
    const text = topic ? { topic } : {};
    this.#ask({ type: "topic", channel: place.name, ...text }, (answer) => {
      place.topic = String(answer.topic);
      this.store.notice(`${place.name} : ${place.topic || "—"}`, place, SERVER);
    });
  }

  /** @param {string} name */
  open(name) {
    const place = this.store.exchange(name);
    if (!place.loaded) this.#fetch(place);
    this.store.select(place);
  }

  /** Its newest messages; or, after a cut, all that came since. @param {Conversation} place */
  #fetch(place) {
    place.loaded = true;
    if (!place.catching) return this.#page(place, { limit: PAGE });
    this.#page(place, { limit: CATCH_UP, after: place.upTo });
  }

  /** Older messages. @param {Conversation} place */
  older(place) {
    const before = this.store.oldest(place);
    if (!place.more || before === 0 || this.phase !== "in") return;
    place.more = false; // until the answer is there, or it would be asked twice
    this.#page(place, { limit: PAGE, before });
  }

  /** @param {Conversation} place @param {Message} which */
  #page(place, which) {
    // the guest's private messages are in no account's history; the server says so, and what was not confirmed is lost
    const where = place.kind === "private" ? { with: place.name } : { channel: place.name };
    const catching = which.after !== undefined;
    this.#ask({ type: "history", ...where, ...which }, (answer, rows) => {
      for (const row of rows) this.store.add(place, row);
      if (!catching) return this.store.paged(place, answer.more);
      this.store.caughtPage(place, rows.length > 0 ? rows[rows.length - 1].id : 0);
      if (answer.more) this.#fetch(place);
      else this.store.caughtUp(place);
    }, (code, text) => {
      if (catching) this.store.caughtUp(place);
      if (place.kind !== "private") this.trouble(code, text);
    });
  }

  /** @param {Conversation} place @param {string} query */
  search(place, query) {
    const where = place.kind === "private" ? { with: place.name } : { channel: place.name };
    this.#ask({ type: "history", ...where, query, limit: PAGE }, (_, rows) => this.found(query, rows));
  }

  /** Any other request. @param {Message} request @param {(answer: Message) => void} done @param {string} [kind] of the answer */
  ask(request, done, kind) {
    this.#ask(request, done, undefined, kind);
  }

  // --- what we say ---

  /** @param {Conversation} place @param {string} content that the others will read */
  say(place, content) {
    const item = this.store.pend(place, content);
    // a slash at the start would be a command
    const text = content.startsWith("/") ? `/${content}` : content;
    const where = place.kind === "private" ? { subtype: "private", to: place.name } : { channel: place.name };
    if (!this.link.send({ type: "message", ...where, content: text, ref: item.ref })) item.state = "lost";
    this.store.changed();
  }

  /** A typed command that the server runs. @param {string} content @param {boolean} lists see words.js */
  command(content, lists) {
    const { kind, name } = this.store.current;
    const channel = kind === "channel" ? name : "#général";
    const who = channelKey(channel) !== EVERYBODY && /^\/(qui|who|users)$/i.test(content);
    this.link.send({ type: "message", channel, content: who ? `${content} ${channel}` : content });
    if (lists) this.link.send({ type: "users" });
  }

  /** @param {string} state */
  setState(state) {
    if (this.link.send({ type: "status", state })) this.store.setState(this.store.me, state);
  }

  // --- what we hear ---

  /** @param {Message} message */
  #hear(message) {
    const { type } = message;
    const asked = this.questions.findIndex((question) => question.kind === type);
    const question = this.questions[asked];
    if (type === "message" || type === "private") {
      if (message.history) this.questions.find(({ kind }) => kind === "history")?.rows.push(message);
      else if (message.from === SERVER) this.#notice(message);
      else this.#live(message);
    } else if (type === "sent") {
      this.store.confirm(String(message.ref), message.id ?? null, message.timestamp);
    } else if (type === "error") {
      this.#refused(message);
    } else if (type === "status") {
      this.store.setState(message.user, message.state);
    } else if (type === "users") {
      this.store.setPeople(message.users);
    } else if ((type === "join" || type === "leave") && message.status === undefined) {
      const place = this.store.channel(message.channel);
      place.members = Math.max(0, place.members + (type === "join" ? 1 : -1));
      this.store.changed();
    } else if (question !== undefined) {
      this.questions.splice(asked, 1);
      question.done(message, question.rows);
    } else {
      this.other(message);
    }
  }

  /** @param {Message} message */
  #live(message) {
    if (message.subtype !== "private") {
      this.store.add(this.store.channel(message.channel ?? ""), message);
      return;
    }
    this.store.add(this.store.exchange(this.store.isMe(message.from) ? message.to : message.from), message);
  }

  /** @param {Message} message of the server itself */
  #notice(message) {
    const { content } = message;
    if (message.subtype === "private") {
      if (FAREWELLS.some((text) => content.startsWith(text))) this.farewell = content;
      this.store.notice(content, this.store.current, SERVER);
    } else {
      this.store.notice(content, this.store.channel(message.channel ?? ""), SERVER);
      const elsewhere = this.store.current.key !== EVERYBODY && message.channel === undefined;
      if (elsewhere) this.store.notice(content, this.store.current, SERVER);
    }
  }

  /** @param {Message} error */
  #refused(error) {
    const code = String(error.code), text = String(error.message);
    if (code === "banned" || code === "server_full") {
      this.#turnedAway(code, text);
    } else if (typeof error.ref === "string" && this.store.refuse(error.ref, code)) {
      // the view shows it beside the message
    } else if (this.questions.length > 0 && !(code === "rate_limited" && this.phase === "in")) {
      this.questions.shift()?.failed(code, text); // answers come in the order of the questions
    } else {
      this.trouble(code, text);
    }
  }
}
