// What the page knows: people, channels, private exchanges, and their messages. No DOM and no socket, so that node can
// test it. The methods change the state and call `changed`; the views read it.

/**
 * One line of a conversation. `order` sorts it: the id of a message; for a notice, the place where it came.
 * @typedef {object} Item
 * @property {number | null} id
 * @property {number} order
 * @property {string} from
 * @property {string} content
 * @property {Date} time
 * @property {boolean} own
 * @property {boolean} notice of the server, or of this page
 * @property {"" | "pending" | "uncertain" | "lost" | "refused" | "undelivered"} state pending: not confirmed yet.
 *   uncertain: the connection was cut before. lost: it is not in the history. undelivered: nobody got it.
 * @property {string} why the reason of a refusal
 * @property {string} ref
 */

/**
 * @typedef {object} Conversation
 * @property {string} key
 * @property {"channel" | "private"} kind
 * @property {string} name as people see it
 * @property {string} topic
 * @property {number} members
 * @property {boolean} joined
 * @property {Item[]} items in their order
 * @property {Set<number>} ids of the items
 * @property {number} upTo up to this id nothing is missing
 * @property {boolean} catching the page has been away, and has not fetched everything since `upTo` yet
 * @property {boolean} loaded its history was asked for
 * @property {boolean} more there are older messages on the server
 * @property {number} unread
 */

export const EVERYBODY = "#general";
const WORDS_FOR_EVERYBODY = new Set(["", "general", "global", "all", "tous", "public"]);
const MOST_ITEMS = 1000;

/** @param {string} name @returns {string} equal names have equal keys */
export function nameKey(name) {
  return name.trim().normalize("NFKC").toLowerCase();
}

/** @param {string} name with or without # @returns {string} the key of the channel */
export function channelKey(name) {
  const plain = nameKey(name).replace(/^#/, "").normalize("NFD").replace(/\p{M}/gu, "");
  return WORDS_FOR_EVERYBODY.has(plain) ? EVERYBODY : `#${plain}`;
}

export class Store {
  constructor() {
    /** Called after each change. */
    this.changed = () => {};
    /** The own name, as the server calls us. */
    this.me = "";
    this.guest = false;
    this.state = "online";
    /** Names and states of the people who are here. @type {Map<string, {name: string, state: string}>} */
    this.people = new Map();
    /** @type {Map<string, Conversation>} */
    this.conversations = new Map();
    this.newest = 0;
    this.refs = 0;
    this.current = this.channel("#général");
    this.reset();
  }

  /** Forget everything: somebody else may come in. */
  reset() {
    this.people.clear();
    this.conversations.clear();
    this.state = "online";
    this.current = this.channel("#général");
    this.current.joined = true;
    this.changed();
  }

  /** Whether the person looks at the conversation now; the page sets it. @type {(place: Conversation) => boolean} */
  watched = (place) => place === this.current;

  /** @param {string} name @returns {Conversation} */
  channel(name) {
    const key = channelKey(name);
    return this.#find(key, "channel", key === EVERYBODY ? "#général" : `#${name.trim().replace(/^#/, "")}`);
  }

  /** @param {string} name @returns {Conversation} with this person */
  exchange(name) {
    return this.#find(`@${nameKey(name)}`, "private", name.trim());
  }

  /**
   * @param {string} key
   * @param {"channel" | "private"} kind
   * @param {string} name
   */
  #find(key, kind, name) {
    let found = this.conversations.get(key);
    if (found === undefined) {
      found = {
        key, kind, name, topic: "", members: 0, joined: false, items: [], ids: new Set(), upTo: 0, catching: false,
        loaded: false, more: false, unread: 0,
      };
      this.conversations.set(key, found);
    }
    return found;
  }

  /** @param {string} name */
  isMe(name) {
    return nameKey(name) === nameKey(this.me);
  }

  /** Whether a stored message is ours. A guest may have got another name than the one it chose. @param {any} message */
  isOwn(message) {
    if (!this.guest) return this.isMe(message.from) && !message.guest;
    return message.guest === true && nameKey(message.from.replace(/ \(invité(?: \d+)?\)$/, "")) === nameKey(this.me);
  }

  // --- messages ---

  /**
   * A message from the server, live or out of the history. One that is there already is not added again.
   * @param {Conversation} place
   * @param {any} message
   * @returns {boolean} whether it is new here
   */
  add(place, message) {
    const id = typeof message.id === "number" ? message.id : null;
    if (id !== null && place.ids.has(id)) return false;
    const own = message.history ? this.isOwn(message) : this.isMe(message.from);
    const waiting = own && place.items.find(
      (item) => item.state === "uncertain" && item.content === message.content && id !== null && id > item.order
    );
    if (waiting) {
      this.#place(place, waiting, id, new Date(message.timestamp));
    } else {
      this.#insert(place, this.#item({
        id, order: id ?? this.newest + 0.5, from: message.from, content: message.content,
        time: new Date(message.timestamp), own,
      }));
      if (!message.history || place.catching) this.#count(place, own);
    }
    this.changed();
    return true;
  }

  /** A notice of the server or of this page. @param {string} content @param {Conversation} [place] @param {string} [from] */
  notice(content, place = this.current, from = "") {
    this.#insert(place, this.#item({ order: this.newest + 0.5, from, content, notice: true }));
    this.#count(place, false);
    this.changed();
  }

  /** An own message on its way. @param {Conversation} place @param {string} content @returns {Item} */
  pend(place, content) {
    // `order` is above all ids that are known: what the history says of it has a greater id
    const item = this.#item({
      order: this.newest + 0.5, from: this.me, content, own: true, state: "pending", ref: `p${++this.refs}`,
    });
    place.items.push(item);
    this.changed();
    return item;
  }

  /** The server has taken it. @param {string} ref @param {number | null} id @param {string} [timestamp] */
  confirm(ref, id, timestamp) {
    const [place, item] = this.#pending(ref);
    if (!place || !item) return;
    if (id === null && place.kind === "private") {
      item.state = "undelivered";
    } else if (id !== null && place.ids.has(id)) {
      this.#remove(place, item);
    } else {
      this.#place(place, item, id, timestamp ? new Date(timestamp) : item.time);
    }
    this.changed();
  }

  /** The server has refused it. @param {string} ref @param {string} why @returns {boolean} whether it was known */
  refuse(ref, why) {
    const [, item] = this.#pending(ref);
    if (!item) return false;
    item.state = "refused";
    item.why = why;
    this.changed();
    return true;
  }

  /** The person does not want to see it any longer, or sends it again. @param {Conversation} place @param {Item} item */
  forget(place, item) {
    this.#remove(place, item);
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

  /** A page of what was missed has come. @param {Conversation} place @param {number} last its last id, 0 without one */
  caughtPage(place, last) {
    place.upTo = Math.max(place.upTo, last);
  }

  /** All that was missed is there. What was on its way and is not among it has not arrived. @param {Conversation} place */
  caughtUp(place) {
    place.catching = false;
    for (const item of place.items) {
      place.upTo = Math.max(place.upTo, item.id ?? 0);
      if (item.state === "uncertain") item.state = "lost";
    }
    this.changed();
  }

  /** The first page of a conversation's history, or an older one. @param {Conversation} place @param {boolean} more */
  paged(place, more) {
    place.more = more;
    this.changed();
  }

  /** @param {Conversation} place @returns {number} the oldest id that is known */
  oldest(place) {
    return place.items.find((item) => item.id !== null)?.id ?? 0;
  }

  /** Look at this conversation. @param {Conversation} place */
  select(place) {
    this.current = place;
    place.unread = 0;
    this.changed();
  }

  /** The person looks at the page again. */
  seen() {
    if (this.current.unread === 0) return;
    this.current.unread = 0;
    this.changed();
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, place) => sum + place.unread, 0);
  }

  /** @param {Partial<Item>} some @returns {Item} */
  #item(some) {
    return {
      id: null, order: 0, from: "", content: "", time: new Date(), own: false, notice: false, state: "", why: "", ref: "",
      ...some,
    };
  }

  /** @param {Conversation} place @param {boolean} own */
  #count(place, own) {
    if (!own && !this.watched(place)) place.unread += 1;
  }

  /** @param {Conversation} place @param {Item} item @param {number | null} id @param {Date} time */
  #place(place, item, id, time) {
    this.#remove(place, item);
    Object.assign(item, { id, order: id ?? item.order, time, state: "", ref: "" });
    this.#insert(place, item);
  }

  /** @param {Conversation} place @param {Item} item */
  #insert(place, item) {
    let at = place.items.length;
    // what is on its way stands below everything that has arrived
    const onItsWay = (/** @type {Item} */ other) => other.state === "pending" || other.state === "uncertain";
    while (at > 0 && (onItsWay(place.items[at - 1]) || place.items[at - 1].order > item.order)) at -= 1;
    place.items.splice(at, 0, item);
    if (item.id !== null) {
      place.ids.add(item.id);
      this.newest = Math.max(this.newest, item.id);
      if (!place.catching) place.upTo = Math.max(place.upTo, item.id);
    }
    if (place.items.length > MOST_ITEMS && at > MOST_ITEMS / 2) {
      for (const old of place.items.splice(0, MOST_ITEMS / 4)) if (old.id !== null) place.ids.delete(old.id);
      place.more = true;
    }
  }

  /** @param {Conversation} place @param {Item} item */
  #remove(place, item) {
    const at = place.items.indexOf(item);
    if (at >= 0) place.items.splice(at, 1);
  }

  /** @param {string} ref @returns {[Conversation, Item] | []} */
  #pending(ref) {
    for (const place of this.conversations.values()) {
      const item = ref && place.items.find((each) => each.ref === ref);
      if (item) return [place, item];
    }
    return [];
  }

  // --- people and channels ---

  /** The answer to `users`. The states that are not "online" follow it. @param {string[]} names */
  setPeople(names) {
    const before = this.people;
    this.people = new Map(names.map((name) => [nameKey(name), before.get(nameKey(name)) ?? { name, state: "online" }]));
    this.changed();
  }

  /** @param {string} name @param {string} state */
  setState(name, state) {
    const key = nameKey(name);
    if (this.isMe(name) && state !== "offline") this.state = state;
    if (state === "offline" || (state === "invisible" && !this.isMe(name))) this.people.delete(key);
    else this.people.set(key, { name, state });
    this.changed();
  }

  /** The answer to `channels`. @param {{name: string, topic: string, members: number, joined: boolean}[]} list */
  setChannels(list) {
    const listed = new Set(list.map((each) => channelKey(each.name)));
    for (const each of list) Object.assign(this.channel(each.name), each);
    for (const place of this.conversations.values()) {
      const ended = place.kind === "channel" && !listed.has(place.key);
      if (ended && place.items.length === 0 && place !== this.current) this.conversations.delete(place.key);
      else if (ended) place.members = 0;
    }
    this.changed();
  }

  /** We have joined or left. @param {Conversation} place @param {boolean} joined */
  setJoined(place, joined) {
    place.joined = joined;
    if (!joined) place.catching = true;
    this.changed();
  }

  /** The names of the people who are here, ourselves first. */
  names() {
    const all = [...this.people.values()];
    return all.sort((a, b) => Number(this.isMe(b.name)) - Number(this.isMe(a.name)) || a.name.localeCompare(b.name));
  }
}
