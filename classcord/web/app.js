// The page of the room: makes the parts and joins them. The parts: link.js (the connection), session.js (the talk with
// the server), store.js (what we know), log.js, lists.js, composer.js, entry.js (what one sees).

import { Cable } from "./cable.js";
import { Composer } from "./composer.js";
import { byId, setText, submitted } from "./dom.js";
import { Entry, prepareInvitation } from "./entry.js";
import { Link } from "./link.js";
import { Lists, close } from "./lists.js";
import { Log, showResults } from "./log.js";
import { Session } from "./session.js";
import { EVERYBODY, Store } from "./store.js";
import { explain, language, preferred, say, speak } from "./texts.js";

const TITLE = "ClassCord";
/** Milliseconds between two looks at the list of channels, while one looks at the page. */
const CHANNELS_EVERY = 30_000;

const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
const store = new Store();
const session = new Session(link, store);
const entry = new Entry(session);
const lists = new Lists(store, session);
const log = new Log(store, session);
const composer = new Composer(store, session);
const cable = new Cable(link, session);

store.watched = (place) => place === store.current && document.hasFocus() && session.phase === "in";
session.trouble = (code, text) => store.notice(explain(code, text));
session.found = showResults;

// --- what one sees ---

let due = 0;

/** Draw once for all changes that come together. A timer, because a hidden page gets no animation frames. */
function changed() {
  if (due === 0) due = setTimeout(render);
}

let inside = false;

function render() {
  due = 0;
  const talking = session.phase !== "out" && session.phase !== "entering";
  for (const id of ["places", "people", "talk", "leave", "show-cable"]) byId(id, HTMLElement).hidden = !talking;
  entry.render();
  setText(byId("status", HTMLElement), status());
  byId("back", HTMLElement).hidden = session.phase !== "ended";
  document.title = `${store.unread > 0 ? `(${store.unread}) ` : ""}${TITLE}`;
  if (talking) {
    const { current } = store;
    setText(byId("place", HTMLElement), current.name);
    setText(byId("topic", HTMLElement), current.topic ? say("topic", { topic: current.topic }) : "");
    byId("leave-channel", HTMLElement).hidden = current.kind !== "channel" || current.key === EVERYBODY || !current.joined;
    cable.render();
    lists.render();
    composer.render();
    log.render();
  }
  if (talking && !inside) close();
  inside = talking;
}

function status() {
  const seconds = Math.max(1, Math.round(session.wait));
  const full = session.reason.code === "server_full" ? `${explain("server_full", "")} ` : "";
  switch (session.phase) {
    case "in": return say(store.guest ? "connectedGuest" : "connected", { name: store.me });
    case "entering": return full + (session.wait > 0 ? say("unreachable", { seconds }) : say("connecting"));
    case "away": return full + (session.wait > 0 ? say("cutOff", { seconds }) : say("connecting"));
    case "ended": {
      const { code, text } = session.reason;
      return say("ended", { why: code ? explain(code, text) : text });
    }
    default: return "";
  }
}

store.changed = changed;
session.changed = changed;

// --- what one does ---

submitted(byId("join", HTMLFormElement), () => {
  const field = byId("join-name", HTMLInputElement);
  session.join(field.value);
  field.value = "";
  close();
});
submitted(byId("search", HTMLFormElement), () => {
  const query = byId("query", HTMLInputElement).value.trim();
  if (query !== "") session.search(store.current, query);
});
byId("results-close", HTMLButtonElement).addEventListener("click", () => {
  byId("results", HTMLElement).hidden = true;
  byId("query", HTMLInputElement).focus();
});
byId("leave-channel", HTMLButtonElement).addEventListener("click", () => session.leaveChannel(store.current));
byId("leave", HTMLButtonElement).addEventListener("click", () => session.leave());
byId("back", HTMLButtonElement).addEventListener("click", () => session.comeBack());
byId("state", HTMLSelectElement).addEventListener("change", (event) => {
  session.setState(/** @type {HTMLSelectElement} */ (event.target).value);
});
byId("language", HTMLSelectElement).addEventListener("change", (event) => {
  const wanted = /** @type {HTMLSelectElement} */ (event.target).value;
  useLanguage(wanted === "fr" ? "fr" : "en", true);
  if (session.phase === "in") session.askCommands();
});
addEventListener("focus", () => {
  store.seen();
  session.refresh();
});
setInterval(() => {
  if (document.visibilityState === "visible") session.refresh();
}, CHANNELS_EVERY);

/** @param {import("./texts.js").Language} wanted @param {boolean} keep */
function useLanguage(wanted, keep) {
  speak(wanted, keep);
  session.language = language;
  byId("language", HTMLSelectElement).value = language;
  changed();
}

prepareInvitation();
useLanguage(preferred(), false);
