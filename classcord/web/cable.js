// « Le câble »: the lines of the protocol as they pass. Those of this page, and those of one's other connections: the
// server sends copies of them, without the passwords.

import { byId, make, setText, submitted } from "./dom.js";
import { explain, language, say } from "./texts.js";

/**
 * A line that has passed. `way`: sent by the client, got by it, or the end of the connection.
 * @typedef {{time: Date, who: string, way: "sent" | "got" | "end", size: number, line: string, refused: boolean}} Passed
 */

const MOST = 500;
const ARROWS = { sent: "→", got: "←", end: "✕" };
const SECRET = /("(?:password|old|new)"\s*:\s*)"(?:[^"\\]|\\.)*"/g;
const TYPED_SECRET = /("content"\s*:\s*"\s*\/(?:motdepasse|mdp|password|passwd|login|register|pass)\b)(?:[^"\\]|\\.)*"/gi;

/** A line without its passwords: somebody may look over the shoulder. @param {string} line */
export function masked(line) {
  return line.replace(SECRET, '$1"…"').replace(TYPED_SECRET, '$1 …"');
}

/** A line laid out; one that is not JSON as it is. @param {string} line */
export function laidOut(line) {
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return line;
  }
}

export class Cable {
  /**
   * @param {Link} link
   * @param {Session} session
   */
  constructor(link, session) {
    this.session = session;
    this.box = byId("cable", HTMLElement);
    this.list = byId("cable-lines", HTMLElement);
    this.opener = byId("show-cable", HTMLButtonElement);
    this.others = byId("cable-others", HTMLInputElement);
    this.user = byId("cable-user", HTMLInputElement);
    this.way = byId("cable-way", HTMLSelectElement);
    this.words = byId("cable-words", HTMLInputElement);
    /** @type {{passed: Passed, node: HTMLElement}[]} */
    this.rows = [];
    /** Whose lines the server copies for us; null: nobody's. @type {string | null} */
    this.watched = null;

    const size = (/** @type {string} */ line) => new TextEncoder().encode(line).length + 1;
    link.onwire = (way, line) => {
      // the copies would be copied again
      if (line.startsWith('{"type":"wire","time"')) return;
      const sent = way === "out";
      const refused = !sent && line.startsWith('{"type":"error"');
      this.add({ time: new Date(), who: "", way: sent ? "sent" : "got", size: size(line), line: masked(line), refused });
    };
    session.other = (message) => this.copied(message);
    session.welcomed = () => {
      if (this.watched !== null) this.watch(this.watched);
    };

    this.opener.addEventListener("click", () => this.toggle());
    this.others.addEventListener("change", () => this.watch(this.others.checked ? "" : null));
    submitted(byId("cable-watch", HTMLFormElement), () => this.watch(this.user.value.trim()));
    submitted(byId("cable-filter", HTMLFormElement), () => {});
    this.way.addEventListener("change", () => this.filter());
    this.words.addEventListener("input", () => this.filter());
    byId("cable-clear", HTMLButtonElement).addEventListener("click", () => {
      this.rows = [];
      this.list.replaceChildren();
    });
    byId("cable-copy", HTMLButtonElement).addEventListener("click", () => this.copy());
    submitted(byId("cable-send", HTMLFormElement), () => {
      link.sendLine(byId("cable-text", HTMLInputElement).value);
    });
  }

  toggle() {
    this.box.hidden = !this.box.hidden;
    this.opener.setAttribute("aria-expanded", String(!this.box.hidden));
    if (!this.box.hidden) byId("cable-title", HTMLElement).focus();
  }

  render() {
    const account = !this.session.store.guest;
    byId("cable-watch", HTMLElement).hidden = !account;
    const name = this.watched === "" ? this.session.store.me : this.watched;
    setText(byId("cable-watched", HTMLElement), name === null ? "" : say("cableWatched", { name }));
    this.others.checked = this.watched === "";
  }

  /** Ask the server for copies of lines. @param {string | null} user "": of our own other connections; null: of nobody */
  watch(user) {
    const request = user === null ? { state: "off" } : user === "" ? { state: "on" } : { state: "on", user };
    this.session.ask({ type: "wire", ...request }, (answer) => {
      this.watched = answer.state === "on" ? user : null;
      this.render();
    });
  }

  /** @param {Message} message of the type wire */
  copied(message) {
    if (message.type !== "wire") return;
    if (message.left_out !== undefined) {
      const line = say("cableLeftOut", { count: message.left_out });
      this.add({ time: new Date(), who: "", way: "end", size: 0, line, refused: false });
      return;
    }
    const way = message.way === "in" ? "sent" : message.way === "out" ? "got" : "end";
    const line = way === "end" ? say("cableEnd", { why: message.line }) : String(message.line);
    const who = `${message.user} ${message.peer}`;
    this.add({ time: new Date(message.time), who, way, size: message.size, line, refused: message.refused === true });
  }

  /** @param {Passed} passed */
  add(passed) {
    const row = { passed, node: drawn(passed) };
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    this.rows.push(row);
    row.node.hidden = !this.wanted(passed);
    this.list.append(row.node);
    if (this.rows.length > MOST) this.rows.shift()?.node.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {Passed} passed */
  wanted({ way, refused, line, who }) {
    const wanted = this.way.value;
    const text = `${who} ${line}`.toLowerCase();
    return (wanted === "" || way === wanted || (wanted === "refused" && refused)) && text.includes(this.words.value.toLowerCase());
  }

  filter() {
    for (const { passed, node } of this.rows) node.hidden = !this.wanted(passed);
  }

  /** Put the lines that are shown into the clipboard, as text. */
  copy() {
    const shown = this.rows.filter(({ node }) => !node.hidden).map(({ passed }) => passed);
    const text = shown.map(({ time, who, way, line }) => `${time.toISOString()} ${who || say("cableHere")} ${ARROWS[way]} ${line}`).join("\n");
    const box = make("textarea", { "aria-hidden": "true" }, text);
    this.box.append(box);
    box.select();
    document.execCommand("copy"); // without TLS browsers have no other clipboard
    box.remove();
  }
}

/** @param {Passed} passed */
function drawn({ time, who, way, size, line, refused }) {
  const clock = `${time.toLocaleTimeString(language)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  const about = `${clock} ${who || say("cableHere")} ${ARROWS[way]} ${size ? say("bytes", { size }) : ""}`;
  const node = make("details", { class: `line ${way}` }, make("summary", {}, make("span", { class: "about" }, about), " ", make("code", {}, line)));
  // laid out when somebody opens it: most lines nobody does
  node.addEventListener("toggle", () => {
    if (node.childNodes.length === 1) node.append(make("pre", {}, laidOut(line)));
  });
  if (refused) {
    const error = /** @type {{code?: string, message?: string}} */ (parsed(line));
    node.classList.add("refusal");
    node.append(make("p", {}, `⚠ ${explain(String(error.code), String(error.message))}`));
    node.open = true;
  }
  return node;
}

/** @param {string} line @returns {object} */
function parsed(line) {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}
