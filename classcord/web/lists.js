// The lists beside the talk: channels, private exchanges, people.

import { arrange, byId, get, make, setText } from "./dom.js";
import { EVERYBODY, nameKey } from "./store.js";
import { say } from "./texts.js";

/** A sign for each state, of a different shape: nobody needs to see its colour. @type {Record<string, string>} */
const SIGNS = { online: "●", away: "◐", dnd: "⊘", invisible: "○" };

export class Lists {
	/** The rows, made once, so that they keep the focus. @type {Map<string, {row: HTMLElement, button: HTMLButtonElement}>} */
	rows = new Map();

	/** @param {Store} store @param {Session} session */
	constructor(store, session) {
		this.store = store;
		this.session = session;
	}

	render() {
		const { store } = this, places = [...store.conversations.values()];
		const channels = places.filter((place) => place.kind === "channel");
		const rank = (/** @type {Place} */ place) => (place.key === EVERYBODY ? 0 : place.joined ? 1 : 2);
		channels.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
		const exchanges = places.filter((place) => place.kind === "private");
		arrange(get("channels"), channels.map((place) => this.#place(place)));
		arrange(get("exchanges"), exchanges.map((place) => this.#place(place)));
		get("no-exchange").hidden = exchanges.length > 0;
		arrange(get("people-list"), store.names().map(({ name, state }) => this.#person(name, state)));
		setText("people-count", `(${store.people.size})`);
		setText("places-unread", store.unread > 0 ? String(store.unread) : "");
		get("places-unread").hidden = store.unread === 0;
		const own = byId("state", HTMLSelectElement);
		for (const option of own.options) setText(option, `${SIGNS[option.value]} ${say(option.value)}`);
		own.value = store.state;
	}

	/** @param {string} key @param {() => void} action @param {Node[]} parts */
	#row(key, action, parts) {
		let known = this.rows.get(key);
		if (known === undefined) {
			const button = make("button", { type: "button" });
			button.addEventListener("click", action);
			known = { row: make("li", {}, button), button };
			this.rows.set(key, known);
		}
		known.button.replaceChildren(...parts);
		return known;
	}

	/** @param {Place} place */
	#place(place) {
		const { key, name, unread, joined } = place, { store } = this;
		const parts = [make("span", { class: "name" }, name)];
		if (unread > 0) {
			parts.push(make("span", { class: "unread", "aria-hidden": "true" }, String(unread)));
			parts.push(make("span", { class: "hidden" }, ` ${say("unread", { count: unread })}`));
		}
		const state = store.people.get(nameKey(name))?.state;
		const count = key === EVERYBODY ? store.people.size : place.members;
		const alone = state ? `${SIGNS[state]} ${say(state)}` : "";
		const about = place.kind === "private" ? alone : say(joined ? "members" : "notJoined", { count });
		parts.push(make("span", { class: "about" }, about));
		const { row, button } = this.#row(key, () => this.#show(key), parts);
		if (place === store.current) button.setAttribute("aria-current", "true");
		else button.removeAttribute("aria-current");
		return row;
	}

	/** @param {string} key */
	#show(key) {
		const place = this.store.conversations.get(key);
		if (place?.kind === "private") this.session.open(place.name);
		else if (place) this.session.join(place.name);
		close();
	}

	/** @param {string} name @param {string} state */
	#person(name, state) {
		const me = this.store.isMe(name);
		const { row, button } = this.#row(`person ${nameKey(name)}`, () => {
			this.session.open(name);
			close();
		}, [
			make("span", { "aria-hidden": "true" }, SIGNS[state] ?? "?"), make("span", { class: "name" }, name),
			make("span", { class: "about" }, `${me ? `${say("you")}, ` : ""}${say(state)}`),
		]);
		button.disabled = me;
		return row;
	}
}

/** On a narrow screen the lists lie over the talk: close them after a choice. */
export function close() {
	if (matchMedia("(max-width: 50rem)").matches) {
		for (const drawer of document.querySelectorAll("details")) if (drawer.id) drawer.open = false;
	}
	get("text").focus();
}
