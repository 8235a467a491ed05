// The messages of the conversation in view.

import { arrange, button, byId, make, setText } from "./dom.js";
import { explain, language, say } from "./texts.js";
import { pieces } from "./words.js";


/** Pixels from the end within which one reads the newest messages. */
const NEAR = 60;

export class Log {
  /**
   * @param {Store} store
   * @param {Session} session
   */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    this.box = byId("log", HTMLElement);
    this.olderButton = byId("older", HTMLButtonElement);
    this.newestButton = byId("newest", HTMLButtonElement);
    /** @type {Conversation | null} */
    this.shown = null;
    this.language = language;
    /** The element of each message, and the state for which it was made. @type {WeakMap<Item, {state: string, node: HTMLElement}>} */
    this.nodes = new WeakMap();
    /** The separators of days. @type {Map<string, HTMLElement>} */
    this.days = new Map();
    this.nothing = make("p", { class: "hint" });
    /** The oldest message that is shown. @type {Item | undefined} */
    this.first = undefined;
    this.atEnd = true;
    this.box.addEventListener("scroll", () => this.scrolled());
    this.olderButton.addEventListener("click", () => session.older(store.current));
    this.newestButton.addEventListener("click", () => {
      this.toEnd();
      byId("text", HTMLTextAreaElement).focus();
    });
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    this.newestButton.hidden = this.atEnd;
    if (scrollTop < NEAR && scrollHeight > clientHeight) this.session.older(this.store.current);
  }

  render() {
    const place = this.store.current;
    const fresh = place !== this.shown || language !== this.language;
    if (fresh) {
      this.nodes = new WeakMap();
      this.days.clear();
      this.language = language;
      this.atEnd = true;
    }
    // what is not new must not be read aloud: another conversation, or older messages above
    const quiet = fresh || (this.first !== undefined && place.items.indexOf(this.first) > 0);
    const before = this.box.scrollHeight;
    if (quiet) this.box.setAttribute("aria-live", "off");
    arrange(this.box, this.#wanted(place));
    this.first = place.items[0];
    if (quiet) setTimeout(() => this.box.setAttribute("aria-live", "polite"), 100);
    if (this.atEnd) this.toEnd();
    else if (quiet) this.box.scrollTop += this.box.scrollHeight - before;
    this.shown = place;
    this.olderButton.hidden = !place.more;
    this.newestButton.hidden = this.atEnd;
  }

  /** @param {Conversation} place @returns {HTMLElement[]} */
  #wanted(place) {
    const wanted = [];
    let last = "";
    for (const item of place.items) {
      const day = item.time.toDateString();
      if (day !== last) wanted.push(this.#day(day, item.time));
      last = day;
      wanted.push(this.#node(place, item));
    }
    setText(this.nothing, say("nothing"));
    return wanted.length > 0 ? wanted : [this.nothing];
  }

  /** @param {string} day @param {Date} time */
  #day(day, time) {
    let node = this.days.get(day);
    if (node === undefined) {
      const options = /** @type {const} */ ({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
      node = make("h3", { class: "day" }, time.toLocaleDateString(language, options));
      this.days.set(day, node);
    }
    return node;
  }

  /** @param {Conversation} place @param {Item} item */
  #node(place, item) {
    const known = this.nodes.get(item);
    if (known !== undefined && known.state === item.state) return known.node;
    const node = message(item);
    if (item.state !== "") node.append(this.#state(place, item));
    if (known?.node.isConnected) known.node.replaceWith(node);
    this.nodes.set(item, { state: item.state, node });
    return node;
  }

  /** What has become of an own message. @param {Conversation} place @param {Item} item */
  #state(place, item) {
    const text = say(item.state, { why: item.why ? explain(item.why, item.why) : "" });
    const node = make("p", { class: "state" }, `${item.state === "pending" || item.state === "uncertain" ? "…" : "⚠"} ${text}`);
    if (item.state === "lost" || item.state === "refused") {
      const again = () => {
        if (!this.session.link.ready) return;
        this.store.forget(place, item);
        this.session.say(place, item.content);
      };
      node.append(" ", button(say("again"), again));
    }
    if (item.state !== "pending" && item.state !== "uncertain") {
      node.append(" ", button(say("drop"), () => this.store.forget(place, item)));
    }
    return node;
  }
}

/** @param {string} text @returns {(Node | string)[]} with its links */
export function linked(text) {
  return pieces(text).map((piece) => (piece.href === undefined ? piece.text : make(
    "a", { href: piece.href, target: "_blank", rel: "noopener noreferrer" }, piece.text
  )));
}

/** The hour of a message. @param {Date} time */
export function hour(time) {
  const shown = time.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
  return make("time", { datetime: time.toISOString(), title: time.toLocaleString(language) }, shown);
}

/** @param {Item} item */
function message(item) {
  const classes = ["message", item.own ? "own" : "", item.notice ? "notice" : "", item.state].filter(Boolean);
  const from = item.notice ? `ⓘ ${say(item.from ? "server" : "page")}` : item.from;
  return make(
    "div", { class: classes.join(" ") },
    make("b", { class: "from" }, from), " ", hour(item.time), " ",
    make("div", { class: "content" }, ...linked(item.content))
  );
}

/**
 * What a search has found.
 * @param {string} query
 * @param {Message[]} found
 */
export function showResults(query, found) {
  const box = byId("results", HTMLElement);
  setText(byId("results-title", HTMLElement), say("results", { query, count: found.length }));
  arrange(byId("results-list", HTMLElement), found.map((row) => {
    const time = new Date(row.timestamp);
    const day = time.toLocaleDateString(language);
    return make("li", {}, make("b", {}, row.from), " ", `${day} `, hour(time), " ", make("span", { class: "content" }, ...linked(row.content)));
  }));
  box.hidden = false;
  box.focus();
}
