// The parser of streams, against what the HTML standard says of them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "./simulated.mjs";

const { Parser } = await load("packages/client/src/parser");

/** Streams, and what each means. The core's decoder is held against the same. */
const FIXTURES = "tests/fixtures/sse";
const names = readdirSync(FIXTURES).filter((name) => name.endsWith(".json"));

function parse(bytes, size) {
  const parser = new Parser();
  const utf8 = new TextDecoder();
  const blocks = [];
  for (let at = 0; at < bytes.length; at += size) {
    blocks.push(...parser.push(utf8.decode(bytes.subarray(at, at + size), { stream: true })));
  }
  return { parser, blocks };
}

test("streams mean what the standard says, however they are cut", () => {
  assert.ok(names.length >= 7, `${names}`);
  for (const name of names) {
    const { decoded, last_event_id } = JSON.parse(readFileSync(`${FIXTURES}/${name}`, "utf8"));
    const bytes = readFileSync(`${FIXTURES}/${name.replace(".json", ".txt")}`);
    const messages = decoded.flatMap(({ message }) => message ?? []);
    const retry = decoded.findLast((it) => "retry" in it)?.retry;
    for (const size of [1, 2, 3, 7, Infinity]) {
      const { parser, blocks } = parse(bytes, size);
      const found = blocks.filter(({ data }) => data !== undefined);
      const told = found.map(({ id, event, data }) => ({ event, data, last_event_id: id }));
      assert.deepEqual(told, messages, `${name} in chunks of ${size}`);
      assert.deepEqual([parser.retry, blocks.at(-1)?.id ?? ""], [retry, last_event_id], `${name} in chunks of ${size}`);
    }
  }
});

test("an event that never ends is an error, by one long line or by many lines", () => {
  for (const piece of ["x".repeat(1_000), "data: x\n".repeat(100)]) {
    const parser = new Parser();
    parser.push("data: ");
    assert.throws(() => {
      for (let count = 0; count < 10_000; count += 1) parser.push(piece);
    }, { name: "RangeError", message: /1048576 characters/ });
  }
});
