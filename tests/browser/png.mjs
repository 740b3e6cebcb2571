// Makes a screenshot small: a page has few colours, and 256 of them are a third of the bytes.
// https://www.w3.org/TR/png-3/
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = 8;
const COLOURS = 256;
/** As many of them are the most frequent; the others are the ones that these would miss most, as those of an emoji. */
const FREQUENT = 208;

/** The same picture with a palette; each colour that is not in it becomes the nearest that is. */
export function withPalette(png) {
  const { width, height, rgb } = decode(png);
  const counts = new Map();
  for (const colour of rgb) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = choose([...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour));
  const indices = new Map(palette.map((colour, index) => [colour, index]));
  const lines = Buffer.alloc((width + 1) * height);
  rgb.forEach((colour, pixel) => {
    if (!indices.has(colour)) indices.set(colour, nearest(palette, colour));
    lines[pixel + Math.floor(pixel / width) + 1] = indices.get(colour);
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const entries = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([
    png.subarray(0, SIGNATURE),
    chunk("IHDR", header),
    chunk("PLTE", entries),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The palette of colours that come in the order of their frequency. */
function choose(colours) {
  const palette = colours.slice(0, FREQUENT);
  const missed = new Map(colours.slice(FREQUENT).map((colour) => [colour, distance(colour, palette[nearest(palette, colour)])]));
  while (palette.length < COLOURS && missed.size > 0) {
    const [worst] = [...missed].reduce((a, b) => (b[1] > a[1] ? b : a));
    palette.push(worst);
    missed.delete(worst);
    for (const [colour, least] of missed) missed.set(colour, Math.min(least, distance(colour, worst)));
  }
  return palette;
}

const distance = (a, b) => [16, 8, 0].reduce((sum, at) => sum + (((a >> at) & 255) - ((b >> at) & 255)) ** 2, 0);

function nearest(palette, colour) {
  let [best, least] = [0, Infinity];
  palette.forEach((other, index) => {
    const far = distance(colour, other);
    if (far < least) [best, least] = [index, far];
  });
  return best;
}

/** The pixels, as 0xRRGGBB, of an 8-bit RGB picture, which is what Chromium writes. */
function decode(png) {
  const data = [];
  let header;
  for (let at = SIGNATURE; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") header = body;
    if (type === "IDAT") data.push(body);
    at += 12 + length;
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  if (header[8] !== 8 || header[9] !== 2 || header[12] !== 0) throw new Error("no plain 8-bit RGB picture");
  const bytes = unfilter(inflateSync(Buffer.concat(data)), width * 3, height);
  const rgb = new Uint32Array(width * height);
  for (let pixel = 0; pixel < rgb.length; pixel += 1) rgb[pixel] = bytes.readUIntBE(pixel * 3, 3);
  return { width, height, rgb };
}

/** Undoes the filter of each line (§ 9). */
function unfilter(filtered, stride, height) {
  const bytes = Buffer.alloc(stride * height);
  for (let line = 0; line < height; line += 1) {
    const filter = filtered[line * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const at = line * stride + x;
      const left = x < 3 ? 0 : bytes[at - 3];
      const up = line === 0 ? 0 : bytes[at - stride];
      const upLeft = x < 3 || line === 0 ? 0 : bytes[at - stride - 3];
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, upLeft)][filter];
      bytes[at] = filtered[line * (stride + 1) + 1 + x] + guess;
    }
  }
  return bytes;
}

function paeth(left, up, upLeft) {
  const guess = left + up - upLeft;
  const [a, b, c] = [left, up, upLeft].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? up : upLeft;
}

function chunk(type, body) {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  sum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, sum]);
}
