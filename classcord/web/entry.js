// The form at the door, and the address to hand out.

import { byId, setText, submitted } from "./dom.js";
import { encode } from "./qr.js";
import { explain, say } from "./texts.js";

/** @typedef {import("./session.js").Identity} Identity */

export class Entry {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.form = byId("entry", HTMLFormElement);
    this.name = byId("name", HTMLInputElement);
    this.password = byId("password", HTMLInputElement);
    this.form.addEventListener("change", () => this.kind());
    submitted(this.form, () => this.enter());
    this.kind();
  }

  /** Guests need no password. */
  kind() {
    const kind = this.chosen();
    byId("secret", HTMLElement).hidden = kind === "guest";
    this.password.required = kind !== "guest";
    this.password.autocomplete = kind === "new" ? "new-password" : "current-password";
    return kind;
  }

  /** @returns {Identity["kind"]} */
  chosen() {
    return /** @type {Identity["kind"]} */ (String(new FormData(this.form).get("kind")));
  }

  enter() {
    const kind = this.kind();
    this.session.enter({ name: this.name.value.trim(), password: kind === "guest" ? "" : this.password.value, kind });
  }

  render() {
    const { phase, reason } = this.session;
    const outside = phase === "out" || phase === "entering";
    if (outside && this.form.hidden) setTimeout(() => this.name.focus());
    this.form.hidden = !outside;
    if (!outside) this.password.value = "";
    byId("enter", HTMLButtonElement).disabled = phase === "entering";
    setText(byId("entry-problem", HTMLElement), reason.code || reason.text ? explain(reason.code, reason.text) : "");
  }
}

/** Make the dialog that hands out the address of this page. */
export function prepareInvitation() {
  const dialog = byId("invite", HTMLDialogElement);
  const field = byId("address", HTMLInputElement);
  byId("show-invite", HTMLButtonElement).addEventListener("click", () => {
    const address = `${location.protocol}//${location.host}/`;
    field.value = address;
    setText(byId("copied", HTMLElement), "");
    byId("only-here", HTMLElement).hidden = !/^(localhost|127\.|\[::1\])/.test(location.host);
    byId("code", HTMLElement).replaceChildren(picture(address));
    dialog.showModal();
  });
  byId("copy", HTMLButtonElement).addEventListener("click", async () => {
    field.select();
    let copied = false;
    try {
      await navigator.clipboard.writeText(field.value);
      copied = true;
    } catch {
      copied = document.execCommand("copy"); // without TLS browsers have no clipboard but this one
    }
    setText(byId("copied", HTMLElement), say(copied ? "copied" : "copyFailed"));
  });
}

const SVG = "http://www.w3.org/2000/svg";

/** The QR code of an address. @param {string} address */
function picture(address) {
  const modules = encode(address);
  const size = modules.length + 8;
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": say("codeOf", { address }), "shape-rendering": "crispEdges" };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  const path = document.createElementNS(SVG, "path");
  const squares = modules.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : "")));
  path.setAttribute("d", squares.join(""));
  svg.append(path);
  return svg;
}

