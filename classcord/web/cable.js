// « Le câble »: the lines of the protocol as they pass. Those of this page, and those of one's other connections: the
// server sends copies of them, without the passwords.

import { byId, clicked, copy, field, get, make, setText, submitted } from "./dom.js";
import { explain, language, say } from "./texts.js";

/**
 * A line that has passed. `way`: sent by the client, got by it, or the end of the connection.
 * @typedef {{time: Date, who: string, way: "sent" | "got" | "end", size: number, line: string, refused: boolean}} Passed
 */

const MOST = 500;
const ARROWS = { sent: "→", got: "←", end: "✕" };
const SECRET = /("(?:old|new|[^"]*(?:pas[sw]|mdp|pwd)[^"]*)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;
const TYPED = /("\s*\/\s*(?:mot|mdp|pas|log|reg|con)\w*).*/is;
const WORD = /(pas[sw]|pwd|mdp|mot de|\\u|log[io]n|con+e[cx]|insc|regi).*/is;

/** Without its passwords. @param {string} line */
export function masked(line) {
	return line.replace(parsed(line).type ? TYPED : WORD, "$1 …").replace(SECRET, '$1"…"');
}

/** What a line says; nothing if it is not JSON. @param {string} line @returns {Message} */
function parsed(line) {
	try {
		return Object(JSON.parse(line));
	} catch {
		return {};
	}
}

export class Cable {
	list = get("cable-lines");
	others = field("cable-others");
	way = byId("cable-way", HTMLSelectElement);
	words = field("cable-words");
	/** @type {{passed: Passed, node: HTMLElement}[]} */
	rows = [];
	/** Whose lines the server copies for us, "": our own other connections'; null: none. @type {string | null} */
	watched = null;

	/** @param {Link} link @param {Session} session */
	constructor(link, session) {
		this.session = session;
		link.onwire = (line, sent) => {
			if (line.startsWith('{"type":"wire","time"')) return; // a copy is shown as what it is a copy of
			const size = new TextEncoder().encode(line).length + 1, refused = !sent && line.startsWith('{"type":"error"');
			this.add({ time: new Date(), who: "", way: sent ? "sent" : "got", size, line: masked(line), refused });
		};
		session.other = (message) => this.copied(message);
		session.welcomed = () => this.watched !== null && this.watch(this.watched);
		clicked("show-cable", () => {
			get("cable").hidden = !get("cable").hidden;
			this.render();
			get("cable-title").focus();
			this.list.scrollTop = this.list.scrollHeight;
		});
		this.others.addEventListener("change", () => this.watch(this.others.checked ? "" : null));
		submitted("cable-watch", () => this.watch(field("cable-user").value.trim()));
		submitted("cable-filter", () => this.filter());
		this.way.addEventListener("change", () => this.filter());
		this.words.addEventListener("input", () => this.filter());
		clicked("cable-clear", () => {
			this.rows = [];
			this.list.replaceChildren();
		});
		clicked("cable-copy", () => {
			const shown = this.rows.filter(({ node }) => !node.hidden).map(({ passed }) => passed);
			copy(shown.map(({ time, who, way, line }) => `${time.toISOString()} ${who || say("cableHere")} ${ARROWS[way]} ${line}`).join("\n"));
		});
		submitted("cable-send", () => link.sendLine(field("cable-text").value));
	}

	render() {
		const { store } = this.session;
		get("show-cable").setAttribute("aria-expanded", String(!get("cable").hidden));
		get("cable-watch").hidden = store.guest;
		setText("cable-watched", this.watched === null ? "" : say("cableWatched", { name: this.watched || store.me }));
		this.others.checked = this.watched === "";
	}

	/** Ask the server for copies of lines. @param {string | null} user see `watched` */
	watch(user) {
		this.session.ask({ type: "wire", state: user === null ? "off" : "on", ...(user && { user }) }, (answer) => {
			this.watched = answer.state === "on" ? user : null;
			this.render();
		}, (code, text) => {
			this.session.trouble(code, text);
			this.render();
		});
	}

	/** @param {Message} message */
	copied(message) {
		if (message.type !== "wire") return;
		if (message.state === "off") { // the server ends it
			this.watched = null;
			return this.render();
		}
		const { left_out: count, user, peer, size = 0, refused = false } = message;
		const way = message.way === "in" ? "sent" : message.way === "out" ? "got" : "end";
		const end = count ? say("cableLeftOut", { count }) : say("cableEnd", { why: message.line });
		const time = new Date(message.time ?? Date.now());
		this.add({ time, who: count ? "" : `${user} ${peer}`, way, size, line: way === "end" ? end : message.line, refused });
	}

	/** @param {Passed} passed */
	add(passed) {
		const { list } = this, node = drawn(passed);
		const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
		this.rows.push({ passed, node });
		node.hidden = !this.wanted(passed);
		list.append(node);
		if (this.rows.length > MOST) this.rows.shift()?.node.remove();
		if (atEnd) list.scrollTop = list.scrollHeight;
	}

	/** @param {Passed} passed */
	wanted({ way, refused, line, who }) {
		const text = `${who} ${line}`.toLowerCase();
		return ["", way, refused ? "refused" : way].includes(this.way.value) && text.includes(this.words.value.toLowerCase());
	}

	filter() {
		for (const { passed, node } of this.rows) node.hidden = !this.wanted(passed);
	}
}

/** @param {Passed} passed */
function drawn({ time, who, way, size, line, refused }) {
	const clock = `${time.toLocaleTimeString(language)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
	const about = `${clock} ${who || say("cableHere")} ${ARROWS[way]} ${size ? say("bytes", { size }) : ""}`;
	const summary = make("summary", {}, make("span", { class: "about" }, about), " ", make("code", {}, line));
	const node = make("details", { class: `line ${refused ? "refusal" : ""}` }, summary), message = parsed(line);
	// laid out only when somebody opens it
	node.addEventListener("toggle", () => {
		if (node.querySelector("pre") === null) node.append(make("pre", {}, message.type ? JSON.stringify(message, null, 2) : line));
	});
	if (refused) {
		node.append(make("p", {}, `⚠ ${explain(message.code, message.message)}`));
		node.open = true;
	}
	return node;
}
