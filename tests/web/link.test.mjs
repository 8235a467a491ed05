// The pure parts of the connection.
import assert from "node:assert/strict";
import { test } from "node:test";

import { lines, wait } from "../../classcord/web/link.js";

test("waits grow up to ten seconds, and differ", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((tries) => wait(tries, 0)), [500, 1000, 2000, 4000, 8000, 10000, 10000]);
  assert.equal(wait(0, 1), 250);
  assert.equal(wait(9, 0.5), 7500);
});

test("a message may carry several lines", () => {
  assert.deepEqual(lines('{"a":1}\n{"b":2}\n'), ['{"a":1}', '{"b":2}']);
  assert.deepEqual(lines("\n \n"), []);
});
