// The room: makes the parts and joins them. link.js has the connection, session.js the talk with the server, store.js
// what we know; log.js, lists.js, composer.js, cable.js and entry.js are what one sees.

import { Cable } from "./cable.js";
import { Composer } from "./composer.js";
import { byId, clicked, field, get, setText, submitted } from "./dom.js";
import { Entry, prepareInvitation, prepareLanguages } from "./entry.js";
import { Link } from "./link.js";
import { Lists, close } from "./lists.js";
import { Log } from "./log.js";
import { Session } from "./session.js";
import { EVERYBODY, Store } from "./store.js";
import { explain, language, say } from "./texts.js";

const link = new Link();
const store = new Store();
const session = new Session(link, store);
const views = [new Cable(link, session), new Lists(store, session), new Composer(store, session), new Log(store, session)];
const entry = new Entry(session);

let due = 0;
let inside = false;

/** Draw once for all changes that come together. A timer, because a hidden page gets no animation frames. */
function changed() {
	if (due === 0) due = setTimeout(render);
}

function render() {
	due = 0;
	const outside = entry.render(), { current } = store;
	for (const id of ["places", "people", "talk", "show-cable"]) get(id).hidden = outside;
	if (outside) get("cable").hidden = true;
	document.title = store.unread > 0 ? `(${store.unread}) ClassCord` : "ClassCord";
	setText("place", current.name);
	setText("topic", current.topic && say("topic", { topic: current.topic }));
	get("leave-channel").hidden = current.kind !== "channel" || current.key === EVERYBODY || !current.joined;
	if (!outside) for (const view of views) view.render();
	if (!outside && !inside) close();
	inside = !outside;
}

store.watched = (place) => place === store.current && document.hasFocus() && session.phase === "in";
store.changed = session.changed = changed;
session.trouble = (code, text) => store.notice(explain(code, text));
session.found = (query, found) => {
	const lines = found.map(({ timestamp, from, content }) => `[${new Date(timestamp).toLocaleString(language)}] ${from} : ${content}`);
	store.notice([say("results", { query, count: found.length }), ...lines].join("\n"));
};

submitted("join", () => {
	session.join(field("join-name").value);
	field("join-name").value = "";
	close();
});
submitted("search", () => {
	const query = field("query").value.trim();
	if (query !== "") session.search(store.current, query);
});
clicked("leave-channel", () => session.leaveChannel(store.current));
clicked("leave", () => session.leave());
clicked("back", () => session.comeBack());
get("state").addEventListener("change", () => session.setState(byId("state", HTMLSelectElement).value));
addEventListener("focus", () => {
	store.seen();
	session.refresh();
});
// channels that others make are not told
setInterval(() => document.visibilityState === "visible" && session.refresh(), 30_000);
prepareInvitation();
prepareLanguages(() => {
	session.language = language;
	if (session.phase === "in") session.askCommands();
	changed();
});
