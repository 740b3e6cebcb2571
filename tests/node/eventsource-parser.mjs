// Reads the streams of a case file with npm `eventsource-parser` and compares what it says with what is expected.
// usage: node eventsource-parser.mjs <cases.json>   with [{"wire": [byte, …], "expect": […]}, …]
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { createParser } from "eventsource-parser";

const CHUNK_SIZES = [1, 2, 3, 7, Infinity];

function decode(wire, size) {
  const decoded = [];
  let lastEventId = "";
  const parser = createParser({
    onId: (id) => (lastEventId = id),
    onEvent: ({ event = "message", data }) =>
      decoded.push({ message: { event, data, last_event_id: lastEventId } }),
    onRetry: (retry) => decoded.push({ retry }),
    onComment: (comment) => decoded.push({ comment }),
  });
  // The parser takes a byte order mark away, so the text decoder must not take one as well.
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let at = 0; at < wire.length; at += size) {
    parser.feed(utf8.decode(wire.subarray(at, at + size), { stream: true }));
  }
  return decoded;
}

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
let mismatches = 0;
for (const { wire, expect } of cases) {
  const bytes = Uint8Array.from(wire);
  for (const size of CHUNK_SIZES) {
    const decoded = decode(bytes, size);
    if (isDeepStrictEqual(decoded, expect)) continue;
    mismatches += 1;
    console.log(`in chunks of ${size}: ${JSON.stringify(Buffer.from(bytes).toString())}`);
    console.log(`  expected ${JSON.stringify(expect)}`);
    console.log(`  but said ${JSON.stringify(decoded)}`);
  }
}
console.log(`${cases.length} streams in chunks of ${CHUNK_SIZES.join(", ")}: ${mismatches} mismatches`);
process.exitCode = mismatches === 0 && cases.length > 0 ? 0 : 1;
