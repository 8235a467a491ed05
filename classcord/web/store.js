// What the page knows: people, channels, private messages. No DOM and no socket, so that node can test it. The methods
// change the state and call `changed`; the views read it.

/**
 * A message or a notice. `order` sorts them: the id, or the place where a notice came.
 * state: "pending": not confirmed yet; "uncertain": nor before the cut; "lost": not in the history either;
 * "refused": see `why`; "undelivered": nobody got it.
 * @typedef {{id: number | null, order: number, from: string, content: string, time: Date, own: boolean, notice: boolean,
 *   state: "" | "pending" | "uncertain" | "lost" | "refused" | "undelivered", why: string, ref: string}} Item
 */

/**
 * A channel, or the private messages with a person. Up to the id `upTo` nothing is missing; while it is `catching`, what
 * came later may have gaps. `loaded`: its history was asked for; `more`: there are older messages.
 * @typedef {{key: string, kind: "channel" | "private", name: string, topic: string, members: number, joined: boolean,
 *   items: Item[], ids: Set<number>, upTo: number, catching: boolean, loaded: boolean, more: boolean, unread: number}} Place
 */

export const EVERYBODY = "#general";
const WORDS_FOR_EVERYBODY = ["", "general", "global", "all", "tous", "public"];
const MOST_ITEMS = 1000;

/** Equal names have equal keys. @param {string} name */
export function nameKey(name) {
	return name.trim().normalize("NFKC").toLowerCase();
}

/** @param {string} name with or without # */
export function channelKey(name) {
	const plain = nameKey(name).replace(/^#/, "").normalize("NFD").replace(/\p{M}/gu, "");
	return WORDS_FOR_EVERYBODY.includes(plain) ? EVERYBODY : `#${plain}`;
}

/** @param {Item} item */
function onItsWay(item) {
	return item.state === "pending" || item.state === "uncertain";
}

export class Store {
	me = "";
	guest = false;
	state = "online";
	/** The people who are here. @type {Map<string, Person>} */
	people = new Map();
	/** @type {Map<string, Place>} */
	conversations = new Map();
	newest = 0;
	refs = 0;
	current = this.channel("");

	constructor() {
		this.reset();
	}

	/** Called after each change. */
	changed() {}

	/** Whether the person looks at it now; the page knows better. @param {Place} place */
	watched(place) {
		return place === this.current;
	}

	/** Forget everything: somebody else may come in. */
	reset() {
		this.people.clear();
		this.conversations.clear();
		this.state = "online";
		this.current = this.channel("#général");
		this.current.joined = true;
	}

	/** @param {string} name */
	channel(name) {
		const key = channelKey(name);
		return this.#find(key, "channel", key === EVERYBODY ? "#général" : `#${name.trim().replace(/^#/, "")}`);
	}

	/** The private messages with a person. @param {string} name */
	exchange(name) {
		return this.#find(`@${nameKey(name)}`, "private", name.trim());
	}

	/** @param {string} key @param {"channel" | "private"} kind @param {string} name */
	#find(key, kind, name) {
		/** @type {Place} */
		const found = this.conversations.get(key) ?? {
			key, kind, name, topic: "", members: 0, joined: false, items: [], ids: new Set(), upTo: 0, catching: false,
			loaded: false, more: false, unread: 0,
		};
		this.conversations.set(key, found);
		return found;
	}

	/** @param {string} name */
	isMe(name) {
		return nameKey(name) === nameKey(this.me);
	}

	// --- messages ---

	/** A message from the server, unless it is there. @param {Place} place @param {Message} message */
	add(place, message) {
		const { id = null, content, history } = message, time = new Date(message.timestamp);
		if (place.ids.has(id)) return;
		// for the others a guest may have got another name than the one that it chose
		const from = this.guest && history ? message.from.replace(/ \(invité(?: \d+)?\)$/, "") : message.from;
		const own = this.isMe(from) && (!history || this.guest === (message.guest === true));
		const sent = own && id !== null && place.items.find(
			(item) => item.state === "uncertain" && item.content === content && id > item.order
		);
		if (sent) {
			this.#settle(place, sent, id, time);
		} else {
			this.#insert(place, { id, order: id ?? this.newest + 0.5, from: message.from, content, time, own });
			if (!history || place.catching) this.#count(place, own);
		}
		this.changed();
	}

	/** @param {string} content @param {Place} [place] @param {string} [from] the server; "": this page */
	notice(content, place = this.current, from = "") {
		this.#insert(place, { order: this.newest + 0.5, from, content, notice: true });
		this.#count(place, false);
		this.changed();
	}

	/** An own message on its way: its id will be greater than all that are known. @param {Place} place @param {string} content */
	pend(place, content) {
		const ref = `p${++this.refs}`;
		return this.#insert(place, { order: this.newest + 0.5, from: this.me, content, own: true, state: "pending", ref });
	}

	/** The server has taken it. @param {string} ref @param {number | null} id @param {string} [timestamp] */
	confirm(ref, id, timestamp) {
		const [place, item] = this.#pending(ref);
		if (!place || !item) return;
		if (id === null && place.kind === "private") item.state = "undelivered";
		else if (id !== null && place.ids.has(id)) this.forget(place, item);
		else this.#settle(place, item, id, timestamp ? new Date(timestamp) : item.time);
		this.changed();
	}

	/** The server has refused it. Returns whether it was known. @param {string} ref @param {string} why */
	refuse(ref, why) {
		const [, item] = this.#pending(ref);
		if (item) Object.assign(item, { state: "refused", why });
		this.changed();
		return item !== undefined;
	}

	/** The person does not want to see it any longer. @param {Place} place @param {Item} item */
	forget(place, item) {
		place.items = place.items.filter((other) => other !== item);
		this.changed();
	}

	/** The connection was cut. */
	cut() {
		for (const place of this.conversations.values()) {
			place.catching = place.loaded || place.items.length > 0;
			for (const item of place.items) if (item.state === "pending") item.state = "uncertain";
		}
		this.people.clear();
		this.changed();
	}

	/** All that was missed is there. What was on its way and is not among it has not arrived. @param {Place} place */
	caughtUp(place) {
		place.catching = false;
		for (const item of place.items) {
			place.upTo = Math.max(place.upTo, item.id ?? 0);
			if (item.state === "uncertain") item.state = "lost";
		}
		this.changed();
	}

	/** Look at this conversation. @param {Place} place */
	select(place) {
		this.current = place;
		this.seen();
	}

	/** The person looks at the page. */
	seen() {
		this.current.unread = 0;
		this.changed();
	}

	get unread() {
		return [...this.conversations.values()].reduce((sum, place) => sum + place.unread, 0);
	}

	/** @param {Place} place @param {boolean} own */
	#count(place, own) {
		if (!own && !this.watched(place)) place.unread += 1;
	}

	/** @param {Place} place @param {Item} item @param {number | null} id @param {Date} time */
	#settle(place, item, id, time) {
		this.forget(place, item);
		this.#insert(place, { ...item, id, order: id ?? item.order, time, state: "", ref: "" });
	}

	/** @param {Place} place @param {Partial<Item>} some */
	#insert(place, some) {
		/** @type {Item} */
		const item = {
			id: null, order: 0, from: "", content: "", time: new Date(), own: false, notice: false, state: "", why: "", ref: "",
			...some,
		};
		const { items } = place;
		// what is on its way stands below everything that has arrived
		let at = items.length;
		while (at > 0 && !onItsWay(item) && (onItsWay(items[at - 1]) || items[at - 1].order > item.order)) at -= 1;
		items.splice(at, 0, item);
		if (item.id !== null) {
			place.ids.add(item.id);
			this.newest = Math.max(this.newest, item.id);
			if (!place.catching) place.upTo = Math.max(place.upTo, item.id);
		}
		if (items.length > MOST_ITEMS && at > MOST_ITEMS / 2) {
			for (const { id } of items.splice(0, MOST_ITEMS / 4)) place.ids.delete(id ?? 0);
			place.more = true;
		}
		this.changed();
		return item;
	}

	/** @param {string} ref @returns {[Place, Item] | []} */
	#pending(ref) {
		for (const place of this.conversations.values()) {
			const item = place.items.find((each) => ref !== "" && each.ref === ref);
			if (item) return [place, item];
		}
		return [];
	}

	// --- people and channels ---

	/** The answer to `users`; the states that are not "online" follow it. @param {string[]} names */
	setPeople(names) {
		const before = this.people;
		this.people = new Map(names.map((name) => [nameKey(name), before.get(nameKey(name)) ?? { name, state: "online" }]));
		this.changed();
	}

	/** @param {string} name @param {string} state */
	setState(name, state) {
		const me = this.isMe(name);
		if (me && state !== "offline") this.state = state;
		if (state === "offline" || (state === "invisible" && !me)) this.people.delete(nameKey(name));
		else this.people.set(nameKey(name), { name, state });
		this.changed();
	}

	/** The answer to `channels`. @param {{name: string, topic: string, members: number, joined: boolean}[]} list */
	setChannels(list) {
		const listed = list.map((each) => {
			const place = this.channel(each.name);
			place.catching ||= place.joined && !each.joined; // what is said there meanwhile will be missing
			return Object.assign(place, each);
		});
		for (const place of this.conversations.values()) {
			if (place.kind === "private" || listed.includes(place)) continue;
			place.members = 0;
			if (place.items.length === 0 && place !== this.current) this.conversations.delete(place.key);
		}
		this.changed();
	}

	/** The people who are here, ourselves first. */
	names() {
		const mine = (/** @type {Person} */ person) => Number(this.isMe(person.name));
		return [...this.people.values()].sort((a, b) => mine(b) - mine(a) || a.name.localeCompare(b.name));
	}
}
