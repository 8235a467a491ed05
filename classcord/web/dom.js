// Small helps for building the page. Texts of people only ever become text nodes.

/**
 * The element with this id, of this kind.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 */
export function byId(id, kind) {
	const found = document.getElementById(id);
	if (!(found instanceof kind)) throw new Error(`no ${kind.name} with the id ${id}`);
	return found;
}

/** The same, of any kind. @param {string} id */
export function get(id) {
	return byId(id, HTMLElement);
}

/** The field with this id. @param {string} id */
export function field(id) {
	return byId(id, HTMLInputElement);
}

/** What a click does. @param {string} id @param {() => void} action */
export function clicked(id, action) {
	get(id).addEventListener("click", action);
}

/** What the sending of a form does; the page stays. @param {string} id @param {() => void} action */
export function submitted(id, action) {
	get(id).addEventListener("submit", (event) => {
		event.preventDefault();
		action();
	});
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function make(tag, attributes = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
	node.append(...children);
	return node;
}

/** @param {string} text @param {() => void} action */
export function button(text, action) {
	const node = make("button", { type: "button" }, text);
	node.addEventListener("click", action);
	return node;
}

/**
 * Give `parent` these children, in this order, and touch only those that differ: a focused element keeps its focus, and
 * a screen reader hears only what is new.
 * @param {Element} parent
 * @param {Node[]} wanted
 */
export function arrange(parent, wanted) {
	const keep = new Set(wanted);
	for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
	let next = parent.firstChild;
	for (const node of wanted) {
		if (node === next) next = next.nextSibling;
		else parent.insertBefore(node, next);
	}
}

/** Set a text, if it is another one: a live region would say it again. @param {Element | string} where @param {string} text */
export function setText(where, text) {
	const node = typeof where === "string" ? get(where) : where;
	if (node.textContent !== text) node.textContent = text;
}

/** Put a text into the clipboard. Without TLS browsers have only this one. @param {string} text */
export function copy(text) {
	const box = make("textarea", { class: "hidden" }, text), before = document.activeElement;
	(document.querySelector("dialog[open]") ?? document.body).append(box);
	box.focus();
	box.select();
	const copied = document.execCommand("copy");
	box.remove();
	if (before instanceof HTMLElement) before.focus();
	return copied;
}
