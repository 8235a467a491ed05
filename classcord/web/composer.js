// The box in which one writes, and the list of how a word could go on.

import { arrange, byId, get, make, setText, submitted } from "./dom.js";
import { EVERYBODY } from "./store.js";
import { say } from "./texts.js";
import { complete, typed } from "./words.js";

export class Composer {
	box = byId("text", HTMLTextAreaElement);
	list = get("options");
	/** @type {Completion | null} */
	completion = null;
	chosen = -1;

	/** @param {Store} store @param {Session} session */
	constructor(store, session) {
		this.store = store;
		this.session = session;
		submitted("composer", () => this.send());
		this.box.addEventListener("keydown", (event) => this.key(event));
		this.box.addEventListener("input", () => this.propose());
		this.box.addEventListener("blur", () => this.propose(null));
	}

	render() {
		const { current } = this.store;
		const label = say("textLabel", { place: current.key === EVERYBODY ? say("everybody") : current.name });
		this.box.placeholder = label;
		this.box.setAttribute("aria-label", label);
	}

	send() {
		const text = this.box.value.trimEnd(), { store, session } = this;
		if (text.trim() === "") return;
		if (session.phase !== "in") return store.notice(say("notConnected"));
		const { kind, name, key } = store.current;
		const what = typed(text, kind === "channel" && key !== EVERYBODY ? name : "");
		if (what.do === "join") session.join(what.channel);
		else if (what.do === "search") session.search(store.current, what.query);
		else if (what.do === "command") session.command(what.content);
		else {
			if (what.do === "whisper") session.open(what.to);
			session.say(store.current, what.content);
		}
		this.box.value = "";
		this.propose(null);
		this.render();
	}

	/** @param {KeyboardEvent} event */
	key(event) {
		const { key, shiftKey, isComposing } = event, open = this.completion !== null;
		if (isComposing) return;
		if (open && key === "ArrowDown") this.choose(this.chosen + 1);
		else if (open && key === "ArrowUp") this.choose(this.chosen - 1);
		else if (open && key === "Escape") this.propose(null);
		else if (open && key === "Tab" && !shiftKey) this.take(Math.max(0, this.chosen));
		else if (open && key === "Enter" && this.chosen >= 0) this.take(this.chosen);
		else if (key === "Enter" && !shiftKey) this.send();
		else return;
		event.preventDefault();
	}

	/** Show how the word before the caret could go on. @param {Completion | null} [completion] */
	propose(completion = this.find()) {
		this.completion = completion;
		this.chosen = -1;
		const options = completion?.options ?? [];
		arrange(this.list, options.map(({ value, label }, index) => {
			const word = value.trim();
			const node = make("li", { role: "option", id: `option-${index}`, "aria-selected": "false" }, make("b", {}, word));
			if (label !== word) node.append(` ${label}`);
			// the box must keep the focus, so not "click"
			node.addEventListener("mousedown", (event) => {
				event.preventDefault();
				this.take(index);
			});
			return node;
		}));
		this.list.hidden = options.length === 0;
		this.box.removeAttribute("aria-activedescendant");
		setText("options-said", options.length > 0 ? say("optionsSaid", { count: options.length }) : "");
	}

	find() {
		const { value, selectionStart, selectionEnd } = this.box, { store } = this;
		if (selectionStart !== selectionEnd) return null;
		const names = store.names().map(({ name }) => name).filter((name) => !store.isMe(name));
		return complete(value.slice(0, selectionStart), this.session.commands, names);
	}

	/** @param {number} index */
	choose(index) {
		const options = [...this.list.children];
		this.chosen = (index + options.length) % options.length;
		options.forEach((node, at) => node.setAttribute("aria-selected", String(at === this.chosen)));
		this.box.setAttribute("aria-activedescendant", `option-${this.chosen}`);
		options[this.chosen].scrollIntoView({ block: "nearest" });
	}

	/** @param {number} index */
	take(index) {
		if (this.completion === null) return;
		this.box.setRangeText(this.completion.options[index].value, this.completion.start, this.box.selectionStart, "end");
		this.propose();
	}
}
