// The messages of the conversation in view.

import { arrange, button, clicked, get, make, setText } from "./dom.js";
import { explain, language, say } from "./texts.js";
import { pieces } from "./words.js";

/** Pixels from the end within which one reads the newest messages. */
const NEAR = 60;

export class Log {
	box = get("log");
	nothing = make("p", { class: "hint" });
	/** @type {Place | null} */
	shown = null;
	/** The oldest message that is shown. @type {Item | undefined} */
	first = undefined;
	atEnd = true;
	language = "";
	/** The element of each message, and the state for which it was made. @type {WeakMap<Item, {state: string, node: HTMLElement}>} */
	nodes = new WeakMap();
	/** The separators of days. @type {Map<string, HTMLElement>} */
	days = new Map();

	/** @param {Store} store @param {Session} session */
	constructor(store, session) {
		this.store = store;
		this.session = session;
		this.box.addEventListener("scroll", () => this.scrolled());
		clicked("newest", () => {
			this.toEnd();
			get("text").focus();
		});
	}

	toEnd() {
		this.box.scrollTop = this.box.scrollHeight;
	}

	scrolled() {
		const { scrollTop, scrollHeight, clientHeight } = this.box;
		this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
		get("newest").hidden = this.atEnd;
		if (scrollTop < NEAR && scrollHeight > clientHeight) this.session.older(this.store.current);
	}

	render() {
		const { box, store } = this, place = store.current;
		const fresh = place !== this.shown || language !== this.language;
		if (fresh) {
			this.nodes = new WeakMap();
			this.days.clear();
			this.language = language;
			this.atEnd = true;
		}
		// what is not new must not be read aloud: another conversation, or older messages above
		const quiet = fresh || (this.first !== undefined && place.items.indexOf(this.first) > 0);
		const before = box.scrollHeight;
		if (quiet) box.setAttribute("aria-live", "off");
		arrange(box, this.#wanted(place));
		if (quiet) setTimeout(() => box.setAttribute("aria-live", "polite"), 100);
		if (this.atEnd) this.toEnd();
		else if (quiet) box.scrollTop += box.scrollHeight - before;
		this.first = place.items[0];
		this.shown = place;
		get("newest").hidden = this.atEnd;
	}

	/** @param {Place} place */
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
		const text = time.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
		const node = this.days.get(day) ?? make("h3", { class: "day" }, text);
		this.days.set(day, node);
		return node;
	}

	/** @param {Place} place @param {Item} item */
	#node(place, item) {
		const { state } = item, known = this.nodes.get(item);
		if (known?.state === state) return known.node;
		const from = item.notice ? `ℹ ${say(item.from ? "server" : "page")}` : item.from;
		const node = make(
			"div", { class: `message ${state} ${item.own ? "own" : ""} ${item.notice ? "notice" : ""}` },
			make("b", { class: "from" }, from), " ", hour(item.time), make("div", { class: "content" }, ...linked(item.content))
		);
		if (state !== "") node.append(this.#state(place, item));
		this.nodes.set(item, { state, node });
		return node;
	}

	/** What has become of an own message. @param {Place} place @param {Item} item */
	#state(place, item) {
		const waits = item.state === "pending" || item.state === "uncertain";
		const why = item.why && explain(item.why, item.why);
		const node = make("p", { class: "state" }, `${waits ? "…" : "⚠"} ${say(item.state, { why })} `);
		const drop = () => this.store.forget(place, item);
		if (item.state === "lost" || item.state === "refused") {
			node.append(button(say("again"), () => {
				if (!this.session.link.ready) return;
				drop();
				this.session.say(place, item.content);
			}), " ");
		}
		if (!waits) node.append(button(say("drop"), drop));
		return node;
	}
}

/** A text with its links. @param {string} text */
function linked(text) {
	const target = { target: "_blank", rel: "noopener noreferrer" };
	return pieces(text).map((piece) => (piece.href ? make("a", { href: piece.href, ...target }, piece.text) : piece.text));
}

/** The hour of a message. @param {Date} time */
function hour(time) {
	const shown = time.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
	return make("time", { datetime: time.toISOString(), title: time.toLocaleString(language) }, shown);
}
