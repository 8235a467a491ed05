// The lists beside the talk: channels, private exchanges, people.

import { arrange, byId, make, setText } from "./dom.js";
import { say } from "./texts.js";
import { EVERYBODY, nameKey } from "./store.js";


/** A sign for each state, of a different shape: nobody needs to see its colour. @type {Record<string, string>} */
const SIGNS = { online: "●", away: "◐", dnd: "⊘", invisible: "○" };

export class Lists {
  /**
   * @param {Store} store
   * @param {Session} session
   */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    /** The row of each channel, exchange or person. @type {Map<string, {row: HTMLLIElement, button: HTMLButtonElement}>} */
    this.rows = new Map();
  }

  render() {
    const { store } = this;
    const places = [...store.conversations.values()];
    const channels = places.filter((place) => place.kind === "channel");
    channels.sort((a, b) => Number(b.key === EVERYBODY) - Number(a.key === EVERYBODY) || Number(b.joined) - Number(a.joined)
      || a.name.localeCompare(b.name));
    const exchanges = places.filter((place) => place.kind === "private");
    arrange(byId("channels", HTMLElement), channels.map((place) => this.#place(place)));
    arrange(byId("exchanges", HTMLElement), exchanges.map((place) => this.#place(place)));
    byId("no-exchange", HTMLElement).hidden = exchanges.length > 0;
    arrange(byId("people-list", HTMLElement), store.names().map((person) => this.#person(person.name, person.state)));
    setText(byId("people-count", HTMLElement), `(${store.people.size})`);
    const unread = byId("places-unread", HTMLElement);
    setText(unread, store.unread > 0 ? String(store.unread) : "");
    unread.hidden = store.unread === 0;
    unread.setAttribute("title", say("unread", { count: store.unread }));
    for (const option of byId("state", HTMLSelectElement).options) setText(option, `${SIGNS[option.value]} ${say(option.value)}`);
    byId("state", HTMLSelectElement).value = store.state;
  }

  /** The row of this key, made once, so that it keeps the focus. @param {string} key @param {() => void} action */
  #row(key, action) {
    let known = this.rows.get(key);
    if (known === undefined) {
      const button = make("button", { type: "button" });
      button.addEventListener("click", action);
      known = { row: make("li", {}, button), button };
      this.rows.set(key, known);
    }
    return known;
  }

  /** @param {Conversation} place */
  #place(place) {
    const { row, button } = this.#row(place.key, () => this.#show(place.key));
    /** @type {Node[]} */
    const parts = [make("span", { class: "name" }, place.name)];
    if (place.unread > 0) {
      parts.push(make("span", { class: "unread", "aria-hidden": "true" }, String(place.unread)));
      parts.push(make("span", { class: "hidden" }, ` ${say("unread", { count: place.unread })}`));
    }
    if (place.kind === "channel") {
      const count = place.key === EVERYBODY ? this.store.people.size : place.members;
      parts.push(make("span", { class: "about" }, place.joined ? say("members", { count }) : say("notJoined")));
    } else {
      const state = this.store.people.get(nameKey(place.name))?.state;
      parts.push(make("span", { class: "about" }, state === undefined ? "" : `${SIGNS[state]} ${say(state)}`));
    }
    redo(row, parts);
    if (place === this.store.current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    return row;
  }

  /** @param {string} key */
  #show(key) {
    const place = this.store.conversations.get(key);
    if (place === undefined) return;
    if (place.kind === "private") this.session.open(place.name);
    else if (place.joined) this.store.select(place);
    else this.session.join(place.name);
    close();
  }

  /** @param {string} name @param {string} state */
  #person(name, state) {
    const { row, button } = this.#row(`person ${nameKey(name)}`, () => {
      this.session.open(name);
      close();
    });
    const me = this.store.isMe(name);
    redo(row, [
      make("span", { class: `sign ${state}`, "aria-hidden": "true" }, SIGNS[state] ?? "?"),
      make("span", { class: "name" }, name),
      make("span", { class: "about" }, `${me ? `${say("you")}, ` : ""}${say(state)}`),
    ]);
    button.setAttribute("title", me ? "" : say("writeTo", { name }));
    button.disabled = me;
    return row;
  }
}

/** Other parts in the button of a row, if they differ. @param {HTMLLIElement} row @param {Node[]} parts */
function redo({ firstElementChild: button }, parts) {
  const same = button?.childNodes.length === parts.length && parts.every((part, at) => part.isEqualNode(button.childNodes[at]));
  if (!same) button?.replaceChildren(...parts);
}

/** On a narrow screen the lists lie over the talk: close them after a choice. */
export function close() {
  if (matchMedia("(max-width: 50rem)").matches) {
    byId("places-drawer", HTMLDetailsElement).open = false;
    byId("people-drawer", HTMLDetailsElement).open = false;
  }
  byId("text", HTMLTextAreaElement).focus();
}
