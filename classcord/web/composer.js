// The box in which one writes: Enter sends, and a list proposes how a word goes on.

import { arrange, byId, make, setText, submitted } from "./dom.js";
import { say } from "./texts.js";
import { complete, typed } from "./words.js";


export class Composer {
  /**
   * @param {Store} store
   * @param {Session} session
   */
  constructor(store, session) {
    this.store = store;
    this.session = session;
    this.box = byId("text", HTMLTextAreaElement);
    this.list = byId("options", HTMLElement);
    /** @type {Completion | null} */
    this.completion = null;
    this.chosen = -1;
    /** What was being written in each conversation. @type {Map<string, string>} */
    this.drafts = new Map();
    this.place = store.current;
    submitted(byId("composer", HTMLFormElement), () => this.send());
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("input", () => this.propose());
    this.box.addEventListener("blur", () => this.propose(null));
  }

  /** The conversation in view may be another one. */
  render() {
    const { current } = this.store;
    if (current !== this.place) {
      this.drafts.set(this.place.key, this.box.value);
      this.box.value = this.drafts.get(current.key) ?? "";
      this.place = current;
      this.propose(null);
    }
    const place = current.key === "#general" ? say("everybody") : current.name;
    setText(byId("text-label", HTMLElement), say("textLabel", { place }));
    this.box.placeholder = say("textLabel", { place });
  }

  send() {
    const text = this.box.value.trimEnd();
    if (text.trim() === "") return;
    if (this.session.phase !== "in") {
      this.store.notice(say("notConnected"));
      return;
    }
    const { store, session } = this;
    const what = typed(text);
    if (what.do === "say") session.say(store.current, what.content);
    else if (what.do === "command") session.command(what.content, what.lists);
    else if (what.do === "join") session.join(what.channel);
    else if (what.do === "search") session.search(store.current, what.query);
    else if (what.do === "whisper") {
      session.open(what.to);
      session.say(store.current, what.content);
    } else {
      const place = what.do === "leave" && what.channel ? store.channel(what.channel) : store.current;
      if (place.kind !== "channel") session.command(text.trimStart(), false);
      else if (what.do === "topic") session.topic(place, what.topic);
      else session.leaveChannel(place);
    }
    this.drafts.delete(this.place.key);
    this.box.value = "";
    this.propose(null);
    this.render();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.isComposing) return;
    const open = this.completion !== null;
    const moves = open ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : undefined;
    if (moves !== undefined) {
      this.choose(this.chosen + moves);
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      this.take(Math.max(0, this.chosen));
    } else if (open && event.key === "Escape") {
      this.propose(null);
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (open && this.chosen >= 0) this.take(this.chosen);
      else this.send();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Show how the word before the caret could go on. @param {Completion | null} [completion] */
  propose(completion = this.find()) {
    this.completion = completion;
    this.chosen = -1;
    const options = completion?.options ?? [];
    arrange(this.list, options.map((option, index) => {
      const node = make("li", { role: "option", id: `option-${index}`, "aria-selected": "false" },
        make("b", {}, option.value.trim()), ` ${option.label === option.value.trim() ? "" : option.label}`);
      // the box must keep the focus, so not "click"
      node.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.take(index);
      });
      return node;
    }));
    this.list.hidden = options.length === 0;
    this.box.removeAttribute("aria-activedescendant");
    setText(byId("options-said", HTMLElement), options.length > 0 ? say("optionsSaid", { count: options.length }) : "");
  }

  find() {
    const { value, selectionStart, selectionEnd } = this.box;
    if (selectionStart !== selectionEnd) return null;
    const channels = [...this.store.conversations.values()].filter((place) => place.kind === "channel");
    const people = this.store.names().map((person) => person.name).filter((name) => !this.store.isMe(name));
    return complete(value.slice(0, selectionStart), this.session.commands, people, channels.map((place) => place.name));
  }

  /** @param {number} index */
  choose(index) {
    const { children } = this.list;
    this.chosen = (index + children.length) % children.length;
    [...children].forEach((node, at) => node.setAttribute("aria-selected", String(at === this.chosen)));
    this.box.setAttribute("aria-activedescendant", `option-${this.chosen}`);
    children[this.chosen].scrollIntoView({ block: "nearest" });
  }

  /** @param {number} index */
  take(index) {
    if (this.completion === null) return;
    const caret = this.box.selectionStart;
    this.box.setRangeText(this.completion.options[index].value, this.completion.start, caret, "end");
    this.box.focus();
    this.propose();
  }
}
