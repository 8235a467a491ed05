// A QR code as in ISO/IEC 18004: byte mode, error correction level M, versions 1 to 6. Pure. The steps: bytes with mode
// and length, blocks with check bytes, fixed patterns, the data in zigzag. Of the eight masks it takes the first.

/** Check bytes in a block, blocks, and all bytes, for each version from 1 on. */
const CHECKS = [10, 16, 26, 18, 24, 16];
const BLOCKS = [1, 1, 1, 2, 2, 4];
const BYTES = [26, 44, 70, 100, 134, 172];
/** The 15 bits that say "level M, mask 0". */
const FORMAT = 0b101010000010010;

/**
 * The code of a text: rows of modules, true for a dark one; a margin of four light ones belongs around it.
 * Throws RangeError if the text has more than 106 bytes.
 * @param {string} text
 */
export function encode(text) {
	const bytes = [...new TextEncoder().encode(text)];
	const at = BYTES.findIndex((all, index) => bytes.length + 2 <= all - CHECKS[index] * BLOCKS[index]);
	if (at < 0) throw new RangeError("too long for this QR code");
	return drawn(fixed(at + 1), interleaved(words(bytes, BYTES[at] - CHECKS[at] * BLOCKS[at]), BLOCKS[at], CHECKS[at]));
}

/** Mode (4 bits), length (8), the bytes, the end (4), and padding. @param {number[]} bytes @param {number} room */
function words(bytes, room) {
	const halves = [4, bytes.length >> 4, bytes.length & 15, ...bytes.flatMap((byte) => [byte >> 4, byte & 15]), 0];
	const found = [];
	for (let at = 0; at < halves.length; at += 2) found.push(halves[at] * 16 + halves[at + 1]);
	for (let pad = 0xec; found.length < room; pad ^= 0xec ^ 0x11) found.push(pad);
	return found;
}

/** All blocks, then their checks, byte by byte in turn. @param {number[]} data @param {number} count @param {number} checks */
function interleaved(data, count, checks) {
	const length = data.length / count; // in these versions all blocks are equal
	const poly = generator(checks);
	const blocks = Array.from({ length: count }, (_, block) => data.slice(block * length, (block + 1) * length));
	const ends = blocks.map((block) => remainder(block, poly));
	return [blocks, ends].flatMap((rows) => rows[0].flatMap((_, at) => rows.map((row) => row[at])));
}

/** A product in the field of 256 elements with the polynomial 0x11d. @param {number} a @param {number} b */
function times(a, b) {
	let product = 0;
	for (; b > 0; b >>= 1, a = (a << 1) ^ (a & 0x80 ? 0x11d : 0)) if (b & 1) product ^= a;
	return product;
}

/** The polynomial for so many checks, without its first coefficient, which is 1. @param {number} checks */
function generator(checks) {
	let poly = [1];
	for (let step = 0, root = 1; step < checks; step++, root = times(root, 2)) {
		const next = [...poly, 0];
		poly.forEach((value, at) => (next[at + 1] ^= times(value, root)));
		poly = next;
	}
	return poly.slice(1);
}

/** The check bytes of a block. @param {number[]} block @param {number[]} poly */
function remainder(block, poly) {
	const rest = poly.map(() => 0);
	for (const byte of block) {
		const factor = byte ^ rest[0];
		rest.push(0);
		rest.shift();
		poly.forEach((value, at) => (rest[at] ^= times(value, factor)));
	}
	return rest;
}

/** The modules that do not depend on the data; those that do are null. @param {number} version */
function fixed(version) {
	const size = 17 + 4 * version, end = size - 1;
	/** @type {(boolean | null)[][]} */
	const modules = Array.from({ length: size }, () => Array(size).fill(null));
	// rings around a place, with light ones at these distances
	const rings = (/** @type {number} */ cx, /** @type {number} */ cy, /** @type {number} */ reach, /** @type {number[]} */ light) => {
		for (let y = Math.max(0, cy - reach); y <= Math.min(end, cy + reach); y++) {
			for (let x = Math.max(0, cx - reach); x <= Math.min(end, cx + reach); x++) {
				modules[y][x] = !light.includes(Math.max(Math.abs(x - cx), Math.abs(y - cy)));
			}
		}
	};
	for (let at = 0; at < size; at++) modules[6][at] = modules[at][6] = at % 2 === 0; // timing
	if (version > 1) rings(size - 7, size - 7, 2, [1]); // alignment
	for (const [x, y] of [[3, 3], [end - 3, 3], [3, end - 3]]) rings(x, y, 4, [2, 4]); // finders
	for (let at = 0; at < 15; at++) { // format: once around the first corner, once beside the two others
		const dark = ((FORMAT >> at) & 1) === 1;
		const near = at < 6 ? at : at + 1;
		if (at < 8) modules[near][8] = modules[8][end - at] = dark;
		else modules[8][at === 8 ? 7 : 14 - at] = modules[size - 15 + at][8] = dark;
	}
	modules[size - 8][8] = true;
	return modules;
}

/** The data in two columns at a time, upwards and downwards. @param {(boolean | null)[][]} modules @param {number[]} data */
function drawn(modules, data) {
	const size = modules.length;
	let bit = 0;
	for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
		if (right === 6) right = 5; // the timing pattern has this column
		for (let step = 0; step < size; step++) {
			const y = up ? size - 1 - step : step;
			for (const x of [right, right - 1]) {
				if (modules[y][x] !== null) continue;
				const dark = ((data[bit >> 3] >> (7 - (bit & 7))) & 1) === 1; // behind the data there are light ones
				modules[y][x] = dark !== ((x + y) % 2 === 0);
				bit += 1;
			}
		}
	}
	return /** @type {boolean[][]} */ (modules);
}
