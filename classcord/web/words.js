// What people write: links, typed commands, and how a word goes on. Pure.

/** @typedef {{text: string, href?: string}} Piece */
/** @typedef {{word: string, words: string[], explained: string, teacher: boolean}} Command */
/** @typedef {{value: string, label: string}} Option */
/** @typedef {{start: number, options: Option[]}} Completion what could stand from `start` to the caret */

/** A parenthesis belongs to an address if it is closed in it. */
const ADDRESS = /https?:\/\/(?:\([^\s()<>"“”«»]*\)|[^\s()<>"“”«»])+/gi;
const MOST_OPTIONS = 8;

/**
 * A text in pieces; those that are web addresses have a `href`. Only http and https: a link to javascript: would run.
 * @param {string} text
 * @returns {Piece[]}
 */
export function pieces(text) {
	/** @type {Piece[]} */
	const found = [];
	let end = 0;
	for (const match of text.matchAll(ADDRESS)) {
		const address = match[0].replace(/[.,;:!?'*…\]]+$/, "");
		const href = safe(address);
		if (href === null) continue;
		if (match.index > end) found.push({ text: text.slice(end, match.index) });
		found.push({ text: address, href });
		end = match.index + address.length;
	}
	if (end < text.length) found.push({ text: text.slice(end) });
	return found;
}

/** @param {string} address @returns {string | null} */
function safe(address) {
	try {
		const url = new URL(address);
		return (url.protocol === "http:" || url.protocol === "https:") && url.hostname ? url.href : null;
	} catch {
		return null;
	}
}

/**
 * @typedef {{do: "say", content: string} | {do: "command", content: string} | {do: "whisper", to: string, content: string}
 *   | {do: "join", channel: string} | {do: "search", query: string}} Typed
 */

const PRIVATE = ["mp", "msg", "w", "whisper"];
const OF_CHANNELS = ["qui", "who", "users", "sujet", "topic", "quitter", "leave", "part"];

/**
 * What a typed text asks for. The server runs the commands, but the page does itself those that change what it shows.
 * The content of "say" is what the others will read.
 * @param {string} text
 * @param {string} channel in view; "": none or #général
 * @returns {Typed}
 */
export function typed(text, channel) {
	const start = text.trimStart();
	if (!start.startsWith("/")) return { do: "say", content: text };
	if (start.startsWith("//")) return { do: "say", content: start.slice(1) };
	const [, word = "", rest = ""] = /^\/(\S*)\s*([^]*)$/.exec(start.trimEnd().replace(/^\/join#/i, "/join #")) ?? [];
	const command = word.toLowerCase().normalize("NFC");
	if ((command === "moi" || command === "me") && rest) return { do: "say", content: `* ${rest}` };
	if (PRIVATE.includes(command)) {
		const found = /^["“«]\s*([^"”»]+?)\s*["”»]\s+([^]+)$/.exec(rest) ?? /^(\S+)\s+([^]+)$/.exec(rest);
		if (found) return { do: "whisper", to: found[1], content: found[2] };
	}
	if (command === "join" && /^\S+$/.test(rest)) return { do: "join", channel: rest };
	if ((command === "chercher" || command === "search") && rest) return { do: "search", query: rest };
	// for the server these concern #général, if no channel is named
	const content = OF_CHANNELS.includes(command) && !/^[#＃]/.test(rest) ? `/${word} ${channel} ${rest}`.trimEnd() : start;
	return { do: "command", content };
}

/** @param {string} text @returns {string} without case and accents */
export function plain(text) {
	return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * How the word before the caret could go on: a command, or a name after @ or after /mp.
 * @param {string} text up to the caret
 * @param {Command[]} commands
 * @param {string[]} names of people
 * @returns {Completion | null}
 */
export function complete(text, commands, names) {
	const command = /^\/(\S*)$/.exec(text);
	if (command) {
		const begin = plain(command[1]);
		const options = commands.flatMap(({ words, explained }) => {
			const word = words.find((each) => plain(each).startsWith(`/${begin}`));
			return word === undefined ? [] : [{ value: `${word} `, label: explained }];
		});
		return some(0, options);
	}
	const [, before, begun = ""] = /^(\/\S+\s+)["“«]?([^\s"][^"]*)?$/.exec(text) ?? [];
	const word = before?.trim().toLowerCase(), row = commands.find(({ words }) => words.includes(word));
	if (PRIVATE.includes(word?.slice(1)) || /^\S+ (NOM|NAME|COMPTE|ACCOUNT)/.test(row?.explained ?? "")) {
		const quoted = (/** @type {string} */ name) => (/\s/.test(name) ? `"${name}" ` : `${name} `);
		return some(before.length, beginning(names, begun).map((name) => ({ value: quoted(name), label: name })));
	}
	const at = /(^|\s)@(\S*)$/.exec(text);
	if (at) {
		const options = beginning(names, at[2]).map((name) => ({ value: `@${name} `, label: name }));
		return some(text.length - at[2].length - 1, options);
	}
	return null;
}

/** @param {string[]} words @param {string} begin */
function beginning(words, begin) {
	return words.filter((word) => plain(word).startsWith(plain(begin)));
}

/** @param {number} start @param {Option[]} options @returns {Completion | null} */
function some(start, options) {
	return options.length > 0 ? { start, options: options.slice(0, MOST_OPTIONS) } : null;
}
