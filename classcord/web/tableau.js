// « Le tableau »: the teachers' board. The server tells once a second how the class is; here it is drawn, and the
// buttons ask for what a teacher may do. Elements are kept from one second to the next, so that the focus stays.

import { arrange, button, byId, make, setText, submitted } from "./dom.js";
import { Entry } from "./entry.js";
import { Link } from "./link.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { explain, language, preferred, say, speak } from "./texts.js";

/** @typedef {{row: HTMLElement, cells: HTMLElement[], buttons: HTMLButtonElement[]}} Row */

const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
const store = new Store();
const session = new Session(link, store);
const entry = new Entry(session);

/** What the server said last. @type {Message | null} */
let board = null;
/** @type {Map<string, Row>} */
const rows = new Map();
const COLUMNS = ["name", "state", "client", "address", "since", "perMinute", "lastRefused", "actions"];

// --- asking ---

/** Do something, and say that it is done. @param {Message} request @param {string} [kind] of the answer */
function act(request, kind = "moderation") {
  session.ask(request, () => setText(byId("done", HTMLElement), `${say("done")} ${new Date().toLocaleTimeString(language)}`), kind);
}

/**
 * Ask the teacher first.
 * @param {string} text
 * @param {"" | "keep" | "reason"} more
 * @param {(reason: string, keep: boolean) => void} yes
 */
function sure(text, more, yes) {
  const dialog = byId("question", HTMLDialogElement);
  const reason = byId("reason", HTMLInputElement);
  setText(byId("question-text", HTMLElement), text);
  byId("keep-row", HTMLElement).hidden = more !== "keep";
  byId("reason-row", HTMLElement).hidden = more !== "reason";
  reason.value = "";
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") yes(reason.value, byId("keep", HTMLInputElement).checked);
  };
  dialog.showModal();
}

/** kick, mute or ban: with a question and a reason. @param {string} type @param {string} to */
function moderate(type, to) {
  sure(say(`${type}Sure`, { name: to }), "reason", (reason) => act({ type, to, ...(reason ? { reason } : {}) }));
}

// --- drawing ---

/** A time that has passed. @param {number} seconds */
function ago(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 1 ? `${Math.floor(seconds)} s` : minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {Message} now */
function facts(now) {
  const limits = Object.entries(now.limits).filter(([, count]) => count > 0).map(([name, count]) => `${name} ${count}`);
  const pairs = {
    addresses: now.addresses.map((/** @type {string} */ address) => `http://${address}/`).join(" "),
    connections: now.connections,
    perMinute: now.per_minute,
    outboxes: say("outboxesNow", now.outboxes),
    storage: say(now.storage.failing ? "storageFailing" : "storageGood", { ...now.storage, size: (now.storage.size / 1e6).toFixed(1) }),
    limits: limits.join(", ") || "0",
    version: now.version,
    uptime: ago(now.uptime),
  };
  const box = byId("facts", HTMLElement);
  const texts = Object.entries(pairs).flatMap(([name, value]) => [say(name), String(value)]);
  if (box.childElementCount !== texts.length) box.replaceChildren(...texts.map((_, at) => make(at % 2 ? "dd" : "dt")));
  texts.forEach((text, at) => setText(box.children[at], text));
  box.classList.toggle("failing", now.storage.failing);
}

/** Messages in each ten seconds of the last ten minutes. @param {number[]} counts */
function plot(counts) {
  const svg = byId("plot", SVGElement), most = Math.max(1, ...counts);
  const path = svg.firstElementChild ?? svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  path.setAttribute("d", counts.map((count, at) => `M${at} 20v-${(count / most) * 20}h.8V20z`).join(""));
  svg.setAttribute("aria-label", say("plot", { most: Math.max(...counts), now: counts[counts.length - 1] ?? 0 }));
}

/** @param {Message} person @returns {HTMLElement} */
function row(person) {
  let known = rows.get(person.name);
  if (known === undefined) {
    const name = person.name;
    const buttons = [
      button("", () => (rows.get(name)?.row.classList.contains("muted") ? act({ type: "unmute", to: name }) : moderate("mute", name))),
      button("", () => moderate("kick", name)), button("", () => moderate("ban", name)),
    ];
    const cells = COLUMNS.map((_, at) => make(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}));
    cells[cells.length - 1].append(...buttons);
    known = { row: make("tr", {}, ...cells), cells, buttons };
    rows.set(name, known);
  }
  const { cells, buttons } = known;
  const all = person.connections, lines = (/** @type {(each: Message) => string} */ text) => all.map(text).join("\n");
  const refused = all.filter((/** @type {Message} */ each) => each.refused);
  const texts = [
    person.name,
    `${say(`kind_${person.kind}`)}, ${say(person.state)}${person.muted > 0 ? `, ${say("mutedFor", { time: ago(person.muted) })}` : ""} ${person.channels.join(" ")}`,
    lines((each) => each.client), lines((each) => `${each.peer}${each.nat ? " (NAT)" : ""}`), lines((each) => ago(each.since)),
    lines((each) => `${each.per_minute}${each.pending > 0 ? `, ${say("waiting", { size: each.pending })}` : ""}`),
    refused.map((/** @type {Message} */ { refused: { code, line, ago: when } }) => `⚠ ${code}, ${ago(when)} : ${line}`).join("\n"),
  ];
  texts.forEach((text, at) => setText(cells[at], text));
  known.row.classList.toggle("muted", person.muted > 0);
  known.row.classList.toggle("refusal", refused.length > 0);
  ["mute", "kick", "ban"].forEach((type, at) => {
    const node = buttons[at];
    setText(node, say(type === "mute" && person.muted > 0 ? "unmute" : type));
    node.setAttribute("aria-label", `${node.textContent} ${person.name}`);
    node.disabled = person.kind === "teacher" || (type === "ban" && person.kind === "guest");
  });
  return known.row;
}

/** @type {Map<string, {row: HTMLElement, button: HTMLButtonElement, closed: boolean}>} */
const channels = new Map();

/** @param {Message} channel @returns {HTMLElement} */
function channelRow({ channel, topic, members, closed }) {
  let known = channels.get(channel);
  if (known === undefined) {
    const toggle = button("", () => {
      const type = channels.get(channel)?.closed ? "open_channel" : "close_channel";
      sure(say(type, { channel }), "", () => act({ type, channel }, type));
    });
    known = { row: make("li", {}, make("span"), " ", toggle), button: toggle, closed };
    channels.set(channel, known);
  }
  known.closed = closed;
  setText(/** @type {Element} */ (known.row.firstElementChild), `${channel} (${members}) ${topic}`);
  setText(known.button, say(closed ? "open_channel" : "close_channel", { channel }));
  known.button.hidden = channel === "#général";
  return known.row;
}

/** @param {Message} entry @returns {string} */
function audited({ time, who, what, whom, why }) {
  return `${new Date(time).toLocaleTimeString(language)} ${who} : ${[what, whom, why && `(${why})`].filter(Boolean).join(" ")}`;
}

/** @param {Message} now */
function draw(now) {
  facts(now);
  plot(now.minutes);
  setText(byId("people-count", HTMLElement), `(${now.people.length})`);
  const here = new Set(now.people.map((/** @type {Message} */ person) => person.name));
  for (const name of rows.keys()) if (!here.has(name)) rows.delete(name);
  // who needs help stands first
  const needs = (/** @type {Message} */ person) => Number(person.connections.some((/** @type {Message} */ each) => each.refused));
  const sorted = [...now.people].sort((a, b) => needs(b) - needs(a) || a.name.localeCompare(b.name));
  arrange(byId("rows", HTMLElement), sorted.map(row));
  arrange(byId("channels", HTMLElement), now.channels.map(channelRow));
  const audit = byId("audit", HTMLElement), texts = now.audit.map(audited);
  if ([...audit.children].map((node) => node.textContent).join("\n") !== texts.join("\n")) {
    audit.replaceChildren(...texts.map((/** @type {string} */ text) => make("li", {}, text)));
  }
  const silence = byId("silence", HTMLButtonElement);
  silence.setAttribute("aria-pressed", String(now.silence));
  setText(byId("slow-now", HTMLElement), now.slow > 0 ? say("slowNow", { seconds: now.slow }) : "");
}

function render() {
  entry.render();
  const { phase, reason, wait } = session;
  const open = board !== null && phase !== "out" && phase !== "entering";
  byId("board", HTMLElement).hidden = !open;
  byId("leave", HTMLElement).hidden = phase === "out" || phase === "entering";
  byId("back", HTMLElement).hidden = phase !== "ended";
  const seconds = Math.max(1, Math.round(wait));
  const why = reason.code ? explain(reason.code, reason.text) : reason.text;
  setText(byId("status", HTMLElement), {
    out: "", in: say("connected", { name: store.me }), entering: wait > 0 ? say("unreachable", { seconds }) : say("connecting"),
    away: say("unreachable", { seconds }), ended: say("ended", { why }),
  }[phase]);
  const head = byId("columns", HTMLElement);
  head.replaceChildren(...COLUMNS.map((name) => make("th", { scope: "col" }, say(name))));
  if (open && board !== null) draw(board);
}

// --- what one does ---

session.changed = render;
session.welcomed = () => session.ask({ type: "board", state: "on" }, (first) => session.other(first));
session.other = (message) => {
  if (message.type !== "board" || message.people === undefined) return;
  const first = board === null;
  board = message;
  if (first) render();
  else draw(message);
};
session.trouble = (code, text) => {
  // the first refusal is that of the board itself: this is not a teacher
  if (board === null && code === "not_allowed") {
    session.leave();
    setText(byId("entry-problem", HTMLElement), say("boardRefused"));
  } else {
    setText(byId("done", HTMLElement), explain(code, text));
  }
};
submitted(byId("announce", HTMLFormElement), () => {
  const field = byId("announcement", HTMLInputElement);
  act({ type: "announce", content: field.value });
  field.value = "";
});
submitted(byId("slow", HTMLFormElement), () => act({ type: "slow", duration: byId("seconds", HTMLInputElement).value }));
byId("silence", HTMLButtonElement).addEventListener("click", () => act({ type: "silence", state: board?.silence ? "off" : "on" }));
byId("new-class", HTMLButtonElement).addEventListener("click", () => {
  sure(say("newClassSure"), "keep", (_, keep) => act({ type: "new_class", keep_accounts: keep }, "new_class"));
});
byId("back", HTMLButtonElement).addEventListener("click", () => session.comeBack());
byId("leave", HTMLButtonElement).addEventListener("click", () => {
  board = null;
  session.leave();
});
byId("language", HTMLSelectElement).addEventListener("change", (event) => {
  useLanguage(/** @type {HTMLSelectElement} */ (event.target).value === "fr" ? "fr" : "en", true);
});

/** @param {import("./texts.js").Language} wanted @param {boolean} keep */
function useLanguage(wanted, keep) {
  speak(wanted, keep);
  document.title = `ClassCord : ${say("board")}`;
  byId("language", HTMLSelectElement).value = language;
  render();
}

useLanguage(preferred(), false);
