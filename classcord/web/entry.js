// The form at the door, the language, and the address to hand out.

import { byId, clicked, copy, field, get, setText, submitted } from "./dom.js";
import { encode } from "./qr.js";
import { explain, language, preferred, say, speak } from "./texts.js";

export class Entry {
	form = byId("entry", HTMLFormElement);
	name = field("name");
	password = field("password");

	/** @param {Session} session */
	constructor(session) {
		this.session = session;
		this.form.addEventListener("change", () => this.kind());
		submitted("entry", () => {
			const kind = this.kind();
			session.enter({ name: this.name.value.trim(), password: kind === "guest" ? "" : this.password.value, kind });
		});
		this.kind();
	}

	/** How one comes in: guests need no password. */
	kind() {
		const kind = /** @type {Identity["kind"]} */ (new FormData(this.form).get("kind"));
		get("secret").hidden = kind === "guest";
		this.password.required = kind !== "guest";
		this.password.autocomplete = kind === "new" ? "new-password" : "current-password";
		return kind;
	}

	render() {
		const { phase, reason, wait, store } = this.session;
		const outside = phase === "out" || phase === "entering";
		if (outside && this.form.hidden) setTimeout(() => this.name.focus());
		this.form.hidden = !outside;
		if (!outside) this.password.value = "";
		byId("enter", HTMLButtonElement).disabled = phase === "entering";
		get("leave").hidden = outside;
		get("back").hidden = phase !== "ended";
		const why = reason.code ? explain(reason.code, reason.text) : reason.text;
		setText("entry-problem", outside ? why : "");
		const seconds = Math.max(1, Math.round(wait));
		const waiting = wait > 0 ? say("cutOff", { seconds }) : say("connecting");
		setText("status", {
			out: "", in: say("connected", { name: store.me }) + (store.guest ? ` (${say("kind_guest")})` : ""), entering: waiting,
			away: `${why} ${waiting}`.trim(), ended: say("ended", { why }),
		}[phase]);
		return outside;
	}
}

/** The choice of the language: `changed` draws the page in it. @param {() => void} changed */
export function prepareLanguages(changed) {
	const choice = byId("language", HTMLSelectElement);
	choice.addEventListener("change", () => {
		speak(choice.value === "fr" ? "fr" : "en", true);
		changed();
	});
	speak(preferred());
	choice.value = language;
	changed();
}

/** The dialog that hands out the address of this page. */
export function prepareInvitation() {
	const address = `${location.protocol}//${location.host}/`;
	field("address").value = address;
	get("only-here").hidden = !/^(localhost|127\.|\[::1\])/.test(location.host);
	clicked("show-invite", () => {
		setText("copied", "");
		get("code").replaceChildren(picture(address));
		byId("invite", HTMLDialogElement).showModal();
	});
	clicked("copy", () => {
		const done = copy(address);
		if (!done) field("address").select();
		setText("copied", say(done ? "copied" : "copyFailed"));
	});
}

/** The QR code of an address. @param {string} address */
function picture(address) {
	const modules = encode(address), size = modules.length + 8;
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
	svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
	svg.setAttribute("role", "img");
	svg.setAttribute("aria-label", say("codeOf", { address }));
	path.setAttribute("d", modules.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join(""));
	svg.append(path);
	return svg;
}
