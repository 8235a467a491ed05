// The QR code, read by a decoder that others wrote.
import assert from "node:assert/strict";
import { test } from "node:test";

import jsqr from "jsqr";

import { encode } from "../../classcord/web/qr.js";

function read(modules, scale = 3) {
  const size = (modules.length + 8) * scale;
  const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const dark = modules[Math.floor(y / scale) - 4]?.[Math.floor(x / scale) - 4];
      if (dark) pixels.set([0, 0, 0], (y * size + x) * 4);
    }
  }
  return jsqr(pixels, size, size)?.data;
}

test("a decoder reads every length", () => {
  for (let length = 1; length <= 106; length++) {
    const text = `http://10.0.108.42:12345/${"é1a-".repeat(30)}`.slice(0, length);
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > 106) break;
    const modules = encode(text);
    assert.equal((modules.length - 17) % 4, 0);
    assert.equal(read(modules), text, `${length} characters`);
  }
});

test("it survives damage as level M must", () => {
  const modules = encode("http://10.0.108.42:12345/");
  for (let at = 10; at < 14; at++) modules[at][16] = !modules[at][16];
  assert.equal(read(modules), "http://10.0.108.42:12345/");
});

test("too long a text is refused", () => {
  assert.throws(() => encode("x".repeat(107)), RangeError);
});
