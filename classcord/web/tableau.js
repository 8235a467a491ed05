// « Le tableau »: the teachers' board. The server tells once a second how the class is. Elements are kept from one
// second to the next, so that the focus stays.

import { arrange, button, byId, clicked, field, get, make, setText, submitted } from "./dom.js";
import { Entry, prepareLanguages } from "./entry.js";
import { Link } from "./link.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { explain, language, say } from "./texts.js";

const store = new Store();
const session = new Session(new Link(), store);
const entry = new Entry(session);

/** What the server said last. @type {Board | null} */
let board = null;
const COLUMNS = ["name", "state", "client", "address", "since", "perMinute", "lastRefused", "actions"];
/** The row of each person. @type {Map<string, {row: HTMLElement, cells: HTMLElement[], buttons: HTMLButtonElement[]}>} */
const rows = new Map();
/** The row of each channel. @type {Map<string, {row: HTMLElement, text: HTMLElement, button: HTMLButtonElement, closed: boolean}>} */
const channels = new Map();

/** Do something, and say that it is done. @param {Message} request @param {string} [kind] of the answer */
function act(request, kind = "moderation") {
	const done = () => setText("done", `${say("done")} ${new Date().toLocaleTimeString(language)}`);
	session.ask(request, done, undefined, kind);
}

/**
 * Ask the teacher first.
 * @param {string} text
 * @param {"" | "keep" | "reason"} more
 * @param {(reason: string, keep: boolean) => void} yes
 */
function sure(text, more, yes) {
	const dialog = byId("question", HTMLDialogElement);
	setText("question-text", text);
	for (const row of ["keep", "reason"]) get(`${row}-row`).hidden = row !== more;
	field("reason").value = dialog.returnValue = "";
	dialog.onclose = () => dialog.returnValue === "yes" && yes(field("reason").value, field("keep").checked);
	dialog.showModal();
}

/** kick, mute or ban. @param {string} type @param {string} to */
function moderate(type, to) {
	sure(`${say(type)} « ${to} » ?`, "reason", (reason) => act({ type, to, ...(reason && { reason }) }));
}

/** A time that has passed. @param {number} seconds */
function ago(seconds) {
	return seconds < 60 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}

/** @param {Board} now */
function facts({ addresses, connections, per_minute: perMinute, outboxes, storage, limits, version, uptime }) {
	const size = (storage.size / 1e6).toFixed(1);
	const bitten = Object.entries(limits).filter(([, count]) => count > 0).map(([name, count]) => `${name} ${count}`);
	const texts = Object.entries({
		addresses: addresses.map((address) => `http://${address}/`).join(" "), connections, perMinute,
		outboxes: say("outboxesNow", outboxes), storage: say(storage.failing ? "storageFailing" : "storageGood", { ...storage, size }),
		limits: bitten.join(", ") || "0", version, uptime: ago(uptime),
	}).flatMap(([name, value]) => [say(name), String(value)]);
	const box = get("facts");
	if (box.childElementCount === 0) box.append(...texts.map((_, at) => make(at % 2 ? "dd" : "dt")));
	texts.forEach((text, at) => setText(box.children[at], text));
	box.classList.toggle("refusal", storage.failing);
}

/** Messages in each ten seconds of the last ten minutes. @param {number[]} counts */
function plot(counts) {
	const most = Math.max(...counts), svg = byId("plot", SVGElement);
	svg.firstElementChild?.setAttribute("d", counts.map((count, at) => `M${at} 20v-${(count / (most || 1)) * 20}h.8V20z`).join(""));
	svg.setAttribute("aria-label", say("plot", { most, now: counts[counts.length - 1] }));
}

/** @param {string} name */
function newRow(name) {
	const muted = () => rows.get(name)?.row.classList.contains("muted");
	const buttons = [
		button("", () => (muted() ? act({ type: "unmute", to: name }) : moderate("mute", name))),
		button("", () => moderate("kick", name)), button("", () => moderate("ban", name)),
	];
	const cells = COLUMNS.map((_, at) => (at === 0 ? make("th", { scope: "row" }) : make("td")));
	cells[cells.length - 1].append(...buttons);
	return { row: make("tr", {}, ...cells), cells, buttons };
}

/** @param {Board["people"][0]} person */
function row({ name, kind, state, muted, channels, connections }) {
	const known = rows.get(name) ?? newRow(name), { cells, buttons } = known;
	rows.set(name, known);
	const lines = (/** @type {(each: Message) => string} */ text) => connections.map(text).filter(Boolean).join("\n");
	const mute = muted > 0 ? `, ${say("mutedFor", { time: ago(muted) })}` : "";
	const texts = [
		name, `${say(`kind_${kind}`)}, ${say(state)}${mute} ${channels.join(" ")}`, lines(({ client }) => client),
		lines(({ peer, nat }) => `${peer}${nat ? " (NAT)" : ""}`), lines(({ since }) => ago(since)),
		lines(({ per_minute, pending }) => `${per_minute}${pending > 0 ? `, ${say("waiting", { size: pending })}` : ""}`),
		lines(({ refused }) => refused && `⚠ ${refused.code}, ${ago(refused.ago)} : ${refused.line}`),
	];
	texts.forEach((text, at) => setText(cells[at], text));
	known.row.classList.toggle("muted", muted > 0);
	known.row.classList.toggle("refusal", texts[6] !== "");
	["mute", "kick", "ban"].forEach((type, at) => {
		setText(buttons[at], say(at === 0 && muted > 0 ? "unmute" : type));
		buttons[at].setAttribute("aria-label", `${buttons[at].textContent} ${name}`);
		buttons[at].disabled = kind === "teacher" || (type === "ban" && kind === "guest");
	});
	return known.row;
}

/** @param {Message} channel */
function channelRow({ channel, topic, members, closed }) {
	let known = channels.get(channel);
	if (known === undefined) {
		const text = make("span"), toggle = button("", () => {
			const type = channels.get(channel)?.closed ? "open_channel" : "close_channel";
			sure(say(type, { channel }), "", () => act({ type, channel }, type));
		});
		known = { row: make("li", {}, text, " ", toggle), text, button: toggle, closed };
		channels.set(channel, known);
	}
	known.closed = closed;
	setText(known.text, `${channel} (${members}) ${topic}`);
	setText(known.button, say(closed ? "open_channel" : "close_channel", { channel }));
	known.button.hidden = channel === "#général";
	return known.row;
}

/** @param {Message} entry */
function audited({ time, who, what, whom, why }) {
	return `${new Date(time).toLocaleTimeString(language)} ${who} : ${[what, whom, why && `(${why})`].filter(Boolean).join(" ")}`;
}

/** @param {Board} now */
function draw(now) {
	facts(now);
	plot(now.minutes);
	setText("people-count", `(${now.people.length})`);
	const here = new Set(now.people.map(({ name }) => name));
	for (const name of rows.keys()) if (!here.has(name)) rows.delete(name);
	// who needs help stands first
	const needs = (/** @type {Board["people"][0]} */ person) => Number(person.connections.some((each) => each.refused));
	const sorted = [...now.people].sort((a, b) => needs(b) - needs(a) || a.name.localeCompare(b.name));
	arrange(get("rows"), sorted.map(row));
	arrange(get("channels"), now.channels.map(channelRow));
	setText("audit", now.audit.map(audited).join("\n"));
	get("silence").setAttribute("aria-pressed", String(now.silence));
	setText("slow-now", now.slow > 0 ? say("slowNow", { seconds: now.slow }) : "");
}

function render() {
	const outside = entry.render();
	get("board").hidden = outside || board === null;
	if (!outside && board !== null) draw(board);
}

/** This is not a teacher, or not any more. */
function refused() {
	leave();
	setText("entry-problem", say("boardRefused"));
}

function leave() {
	board = null;
	session.leave();
}

session.changed = render;
session.welcomed = () => session.ask({ type: "board", state: "on" }, (first) => session.other(first), refused);
session.other = (message) => {
	if (message.type !== "board") return;
	if (message.state === "off") return refused();
	board = /** @type {Board} */ (message);
	render();
};
session.trouble = (code, text) => setText("done", explain(code, text));
submitted("announce", () => {
	act({ type: "announce", content: field("announcement").value });
	field("announcement").value = "";
});
submitted("slow", () => act({ type: "slow", duration: field("seconds").value }));
clicked("silence", () => act({ type: "silence", state: board?.silence ? "off" : "on" }));
clicked("new-class", () => sure(say("newClassSure"), "keep", (_, keep) => act({ type: "new_class", keep_accounts: keep }, "new_class")));
clicked("back", () => session.comeBack());
clicked("leave", leave);
prepareLanguages(() => {
	document.title = `ClassCord : ${say("board")}`;
	get("columns").replaceChildren(...COLUMNS.map((name) => make("th", { scope: "col" }, say(name))));
	render();
});
