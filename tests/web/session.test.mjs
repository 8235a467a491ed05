// The talk with the server, with a link that is a script: what is asked, and what becomes of the answers.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Session } from "../../classcord/web/session.js";
import { Store } from "../../classcord/web/store.js";

function start(kind = "account") {
  const sent = [];
  const link = {
    ready: false, sent, closed: false,
    open() { this.ready = true; this.onopen(); },
    close() { this.ready = false; this.closed = true; },
    drop() { this.ready = false; this.onclose(1, false); },
    settled() {},
    send(message) { if (this.ready) sent.push(message); return this.ready; },
  };
  const store = new Store();
  const session = new Session(link, store);
  const hear = (...messages) => messages.forEach((message) => link.onmessage(message));
  const cut = (final = false) => { link.ready = false; link.onclose(1, final); };
  const asked = (type) => { const found = sent.filter((each) => each.type === type); sent.length = 0; return found; };
  session.enter({ name: "alice", password: "azerty", kind });
  if (kind === "account") hear({ type: "login", status: "ok", username: "alice" });
  return { link, store, session, hear, cut, asked, sent };
}

const message = (id, content, more = {}) => ({
  type: "message", subtype: "global", from: "bob", to: "global", content, timestamp: "2026-11-26T10:00:00.000Z", id, ...more,
});
const done = (count, more = false) => ({ type: "history", done: true, count, more });
const first = (hear) => hear({ type: "users", users: ["alice", "bob"] }, { type: "commands", commands: [] }, { type: "channels", channels: [] });
const contents = (place) => place.items.map((item) => item.content);

test("it comes in and asks for everything", () => {
  const { sent, session } = start();
  assert.deepEqual(sent.map((each) => each.type), ["login", "users", "commands", "channels", "history"]);
  assert.equal(session.phase, "in");
});

test("a guest names itself first", () => {
  const { sent } = start("guest");
  assert.deepEqual(sent.slice(0, 2), [{ type: "message", from: "alice", content: "" }, { type: "users" }]);
});

test("live lines and the history make one list without doubles", () => {
  const { store, hear } = start();
  first(hear);
  hear(message(7, "sept"), message(5, "cinq", { history: true }), message(7, "sept", { history: true }), done(2, true));
  assert.deepEqual(contents(store.current), ["cinq", "sept"]);
  assert.equal(store.current.more, true);
});

test("after a cut it fetches what it missed, page by page, and joins again", () => {
  const { store, session, hear, cut, asked, link } = start();
  first(hear);
  hear(message(5, "cinq", { history: true }), done(1));
  session.join("#dev");
  hear({ type: "join", status: "ok", channel: "#dev", topic: "" }, { type: "history", done: true, count: 0, more: false });
  hear({ type: "channels", channels: [{ name: "#général", topic: "", members: 2, joined: true }, { name: "#dev", topic: "", members: 1, joined: true }] });
  cut();
  assert.equal(session.phase, "away");
  asked("");
  link.open();
  hear({ type: "login", status: "ok", username: "alice" });
  assert.deepEqual(asked("join"), [{ type: "join", channel: "#dev" }]);
  hear({ type: "join", status: "ok", channel: "#dev", topic: "" });
  assert.deepEqual(asked("history"), [{ type: "history", channel: "#dev", limit: 200, after: 0 }]);
  hear(message(9, "en direct")); // before the answer: it must not hide what is between
  const general = store.channel("");
  assert.equal(general.upTo, 5);
  hear(message(6, "six", { history: true }), done(1, true));
  assert.deepEqual(asked("history"), [{ type: "history", channel: "#général", limit: 200, after: 6 }]);
  assert.equal(general.catching, true);
});

test("a cut in the middle of catching up begins again where nothing is missing", () => {
  const { store, hear, cut, asked, link } = start();
  first(hear);
  hear(message(5, "cinq", { history: true }), done(1));
  const back = () => { cut(); asked(""); link.open(); hear({ type: "login", status: "ok", username: "alice" }); return asked("history"); };
  assert.equal(back()[0].after, 5);
  hear(message(90, "en direct"));
  assert.equal(back()[0].after, 5);
  hear(message(6, "six", { history: true }), message(90, "en direct", { history: true }), done(2));
  assert.deepEqual(contents(store.current), ["cinq", "six", "en direct"]);
  assert.equal(back()[0].after, 90);
});

test("an own message is shown when the server has taken it", () => {
  const { store, session, hear, sent } = start();
  first(hear);
  hear(done(0));
  session.say(store.current, "Bonjour");
  const { ref } = sent.at(-1);
  assert.equal(store.current.items[0].state, "pending");
  hear(message(3, "avant"), { type: "sent", ref, id: 4, timestamp: "2026-11-26T10:00:01.000Z" });
  assert.deepEqual(contents(store.current), ["avant", "Bonjour"]);
  assert.equal(store.current.items[1].state, "");
});

test("a refused one keeps its text and says why", () => {
  const { store, session, hear, sent } = start();
  first(hear);
  session.say(store.current, "Bonjour");
  hear({ type: "error", code: "muted", message: "…", ref: sent.at(-1).ref });
  assert.deepEqual([store.current.items[0].state, store.current.items[0].why], ["refused", "muted"]);
});

test("one that was on its way is found in the history, or offered again; twice the same counts twice", () => {
  const { store, session, hear, cut, link } = start();
  first(hear);
  hear(message(3, "ok", { from: "alice", history: true }), done(1)); // an old one with the same text
  for (const text of ["ok", "ok", "perdu"]) session.say(store.current, text);
  cut();
  assert.deepEqual(store.current.items.map((item) => item.state), ["", "uncertain", "uncertain", "uncertain"]);
  link.open();
  hear({ type: "login", status: "ok", username: "alice" });
  first(hear);
  hear(message(8, "ok", { from: "alice", history: true }), message(9, "autre", { history: true }), done(2));
  assert.deepEqual(store.current.items.map((item) => [item.content, item.state]), [
    ["ok", ""], ["ok", ""], ["autre", ""], ["ok", "lost"], ["perdu", "lost"],
  ]);
});

test("a text with a slash at the start reaches the others with it", () => {
  const { store, session, sent } = start();
  session.say(store.current, "/dev/null");
  assert.equal(sent.at(-1).content, "//dev/null");
  assert.equal(store.current.items[0].content, "/dev/null");
});

test("errors belong to the oldest question", () => {
  const { session, hear } = start();
  first(hear);
  hear(done(0));
  const told = [];
  session.trouble = (code) => told.push(code);
  session.join("#admin");
  session.join("#dev");
  hear({ type: "error", code: "not_allowed", message: "" }, { type: "join", status: "ok", channel: "#dev", topic: "" });
  assert.deepEqual(told, ["not_allowed"]);
  assert.equal(session.store.current.name, "#dev");
});

test("who is sent away does not come back by itself", () => {
  const { session, hear, cut, link } = start();
  hear({ ...message(null, "L'administrateur du serveur met fin à votre connexion. Motif : bruit"), subtype: "private", from: "Serveur", to: "alice" });
  cut(true);
  assert.equal(session.phase, "ended");
  assert.equal(link.closed, true);
  assert.match(session.reason.text, /bruit/);
});

test("a wrong password after a cut ends it; too many tries do not", () => {
  const { session, hear, cut, link } = start();
  cut();
  link.open();
  hear({ type: "error", code: "rate_limited", message: "" });
  assert.equal(session.phase, "away");
  link.open();
  hear({ type: "error", code: "login_failed", message: "Login failed." });
  assert.equal(session.phase, "ended");
});

test("the end of a guest's old name is not its own state", () => {
  const { store, hear } = start("guest");
  hear({ type: "users", users: ["alice", "bob"] }, { type: "status", user: "alice", state: "away" }, { type: "pong" });
  assert.equal(store.state, "away");
  hear({ type: "status", user: "alice", state: "invisible" }, { type: "status", user: "bob", state: "invisible" });
  assert.equal(store.state, "away");
  assert.deepEqual(store.names(), [{ name: "alice", state: "away" }]);
});

test("people come, change and go", () => {
  const { store, hear } = start();
  hear({ type: "users", users: ["bob", "alice", "zoé"] }, { type: "status", user: "bob", state: "away" }, { type: "status", user: "zoé", state: "invisible" });
  assert.deepEqual(store.names(), [{ name: "alice", state: "online" }, { name: "bob", state: "away" }]);
  hear({ type: "status", user: "bob", state: "offline" }, { type: "status", user: "carla", state: "online" });
  assert.deepEqual(store.names().map((person) => person.name), ["alice", "carla"]);
});
