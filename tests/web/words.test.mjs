// Links, typed commands, completion.
import assert from "node:assert/strict";
import { test } from "node:test";

import { complete, pieces, typed } from "../../classcord/web/words.js";

const links = (text) => pieces(text).filter((piece) => piece.href).map((piece) => piece.text);

test("links are found without the sentence around them", () => {
  assert.deepEqual(links("Voir http://a.fr/x, (https://b.fr/(c)) et HTTP://C.FR!"), ["http://a.fr/x", "https://b.fr/(c)", "HTTP://C.FR"]);
  assert.deepEqual(links("« http://a.fr/é?q=1&r=2#f »."), ["http://a.fr/é?q=1&r=2#f"]);
});

test("only web addresses are links, and no text is lost", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "http://", "https://?", "file:///etc/passwd", "", "a <b> c", "http://[", "xhttp://"]) {
    assert.deepEqual(links(text), [], text);
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
  }
  const long = `http://a.fr/${"((((".repeat(1000)} ${"http://b ".repeat(300)}`;
  assert.equal(pieces(long).map((piece) => piece.text).join(""), long);
});

test("typed texts are what the server takes them for", () => {
  assert.deepEqual(typed("Bonjour", ""), { do: "say", content: "Bonjour" });
  assert.deepEqual(typed(" //dev/null", ""), { do: "say", content: "/dev/null" });
  assert.deepEqual(typed("/moi danse", ""), { do: "say", content: "* danse" });
  assert.deepEqual(typed("/mp bob Salut\nà toi", ""), { do: "whisper", to: "bob", content: "Salut\nà toi" });
  assert.deepEqual(typed('/w "Jean Paul" Salut', ""), { do: "whisper", to: "Jean Paul", content: "Salut" });
  assert.deepEqual(typed("/join#dev", ""), { do: "join", channel: "#dev" });
  assert.deepEqual(typed("/JOIN dev", ""), { do: "join", channel: "dev" });
  assert.deepEqual(typed("/quitter", "#dev"), { do: "command", content: "/quitter #dev" });
  assert.deepEqual(typed("/quitter #a", "#dev"), { do: "command", content: "/quitter #a" });
  assert.deepEqual(typed("/sujet Le TP de lundi", "#dev"), { do: "command", content: "/sujet #dev Le TP de lundi" });
  assert.deepEqual(typed("/qui", ""), { do: "command", content: "/qui" });
  assert.deepEqual(typed("/chercher élève", ""), { do: "search", query: "élève" });
  assert.deepEqual(typed("/absent", ""), { do: "command", content: "/absent" });
  assert.deepEqual(typed("/mp", ""), { do: "command", content: "/mp" });
  assert.deepEqual(typed("/motdepasse a b", ""), { do: "command", content: "/motdepasse a b" });
});

const commands = [
  { word: "/mp", words: ["/mp", "/msg"], explained: "/mp NOM TEXTE : message privé", teacher: false },
  { word: "/muet", words: ["/muet", "/mute"], explained: "/muet NOM [TEMPS]", teacher: true },
  { word: "/etat", words: ["/etat", "/état"], explained: "/etat online|away", teacher: false },
];
const names = ["Élodie", "Jean Paul", "bob"];
const values = (text) => complete(text, commands, names)?.options.map((option) => option.value) ?? null;

test("words are completed where they stand", () => {
  assert.deepEqual(values("/m"), ["/mp ", "/muet "]);
  assert.deepEqual(values("/MS"), ["/msg "]);
  assert.deepEqual(values("/muet el"), ["Élodie "]);
  assert.deepEqual(values("/mp je"), ['"Jean Paul" ']);
  assert.deepEqual(values('/mp "Jean P'), ['"Jean Paul" ']);
  assert.deepEqual(values("Merci @b"), ["@bob "]);
  for (const text of ["", "bonjour", "/mp bob salut", "a@b", "/etat x", "/xyz"]) assert.equal(values(text), null, text);
  assert.equal(complete("Merci @b", commands, names).start, 6);
  assert.equal(complete("/mp bo", commands, names).start, 4);
});
