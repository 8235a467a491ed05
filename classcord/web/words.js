// What people write: links in a text, typed commands, and how a word goes on. Pure, so that node can test it.

/** @typedef {{text: string, href?: string}} Piece */
/** @typedef {{word: string, words: string[], explained: string, teacher: boolean}} Command */
/** @typedef {{value: string, label: string}} Option */
/** @typedef {{start: number, options: Option[]}} Completion what could stand from `start` to the caret */

const ADDRESS = /https?:\/\/[^\s<>"“”«»]+/gi;
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
    const address = trimmed(match[0]);
    const href = safe(address);
    if (href === null) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

/** The address without the punctuation of the sentence around it. @param {string} address */
function trimmed(address) {
  let end = address.length;
  for (;;) {
    const last = address[end - 1];
    const opened = last === ")" ? "(" : last === "]" ? "[" : "";
    const inside = address.slice(0, end);
    if (opened ? inside.split(opened).length >= inside.split(last).length : !".,;:!?'*…".includes(last)) return inside;
    end -= 1;
  }
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
 * @typedef {{do: "say", content: string} | {do: "command", content: string, lists: boolean}
 *   | {do: "whisper", to: string, content: string} | {do: "join" | "leave", channel: string}
 *   | {do: "topic", topic: string} | {do: "search", query: string}} Typed
 */

const PRIVATE = ["mp", "msg", "w", "whisper"];
const STATES = ["etat", "état", "status", "absent", "away", "retour", "back", "invisible"];

/**
 * What a typed text asks for. The server runs commands too; the page does itself those that change what it shows.
 * `lists`: the own state may be another one afterwards. The content of "say" is what the others will read.
 * @param {string} text
 * @returns {Typed}
 */
export function typed(text) {
  const start = text.trimStart();
  if (!start.startsWith("/")) return { do: "say", content: text };
  if (start.startsWith("//")) return { do: "say", content: start.slice(1) };
  const [, word = "", rest = ""] = /^\/(\S*)\s*([^]*)$/.exec(start.trimEnd()) ?? [];
  const joined = /^join([#＃]\S+)$/i.exec(word);
  const command = joined ? "join" : word.toLowerCase().normalize("NFC");
  if ((command === "moi" || command === "me") && rest) return { do: "say", content: `* ${rest}` };
  if (PRIVATE.includes(command)) {
    const found = /^["“«]\s*([^"”»]+?)\s*["”»]\s+([^]+)$/.exec(rest) ?? /^(\S+)\s+([^]+)$/.exec(rest);
    if (found) return { do: "whisper", to: found[1], content: found[2] };
  }
  const channel = joined ? joined[1] : rest;
  if (command === "join" && /^\S+$/.test(channel)) return { do: "join", channel };
  if (["quitter", "leave", "part"].includes(command) && !/\s/.test(rest)) return { do: "leave", channel: rest };
  if (["sujet", "topic"].includes(command) && !/^[#＃]/.test(rest)) return { do: "topic", topic: rest };
  if (["chercher", "search"].includes(command) && rest) return { do: "search", query: rest };
  return { do: "command", content: start, lists: STATES.includes(command) };
}

/** @param {string} text @returns {string} without case and accents */
export function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * How the word before the caret could go on: a command, a name after @ or after /mp, a channel.
 * @param {string} text up to the caret
 * @param {Command[]} commands
 * @param {string[]} names of people
 * @param {string[]} channels with their #
 * @returns {Completion | null}
 */
export function complete(text, commands, names, channels) {
  const command = /^\/(\S*)$/.exec(text);
  if (command) {
    const begin = plain(command[1]);
    const options = commands.flatMap(({ words, explained }) => {
      const word = words.find((each) => plain(each).startsWith(`/${begin}`));
      return word === undefined ? [] : [{ value: `${word} `, label: explained }];
    });
    return some(0, options);
  }
  const private_ = /^(\/\S+\s+)["“«]?([^\s"][^"]*)?$/.exec(text);
  const row = private_ && commands.find(({ words }) => words.includes(private_[1].trim().toLowerCase()));
  const named = private_ && (PRIVATE.includes(private_[1].trim().slice(1)) || /^\S+ \[?(NOM|NAME|COMPTE|ACCOUNT)/.test(row?.explained ?? ""));
  if (private_ && named) {
    const quoted = (/** @type {string} */ name) => (/\s/.test(name) ? `"${name}" ` : `${name} `);
    return some(private_[1].length, beginning(names, private_[2] ?? "").map((name) => ({ value: quoted(name), label: name })));
  }
  const at = /(^|\s)@(\S*)$/.exec(text);
  if (at) {
    const options = beginning(names, at[2]).map((name) => ({ value: `@${name} `, label: name }));
    return some(text.length - at[2].length - 1, options);
  }
  const channel = /(^|\s)(#\S*)$/.exec(text);
  if (channel) {
    const options = beginning(channels, channel[2]).map((name) => ({ value: `${name} `, label: name }));
    return some(text.length - channel[2].length, options);
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
