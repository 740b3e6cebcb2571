// The raw lines of a stream, read again and again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFetches, load, pass, pauses, simulateTime } from "../../packages/client/test/simulated.mjs";

const { RawReader } = await load("web/src/raw");

simulateTime();

function read() {
  const told = { lines: [], ended: [] };
  const reader = new RawReader("/api/chat", "5", {
    line: (text) => told.lines.push(text),
    request: () => {},
    refused: () => {},
    ended: (delay) => told.ended.push(delay),
  });
  return { reader, told };
}

const seconds = (requests) => pauses(requests.map(({ at }) => at)).map((pause) => Math.round(pause / 100) / 10);

test("a server that does not answer is asked less and less often, and soon again after it did", async () => {
  Math.random = () => 0.999;
  const requests = answerFetches([0], [0], [0], [0], [200, {}, "id: 6\n\n"], [0], [0]);
  const { reader } = read();
  await pass(30_000);
  reader.stop();
  // After the stream ended, the pause is that of a server which asks for none.
  assert.deepEqual(seconds(requests).slice(0, 7), [1, 2, 4, 8, 2.5, 1, 2]);
  assert.deepEqual(requests.slice(4, 6).map(({ headers }) => headers["Last-Event-ID"]), ["5", "6"]);
});

test("a server that asks for a time is given that, and one that asks for years an hour", async () => {
  Math.random = () => 0;
  const requests = answerFetches([503, { "Retry-After": "4" }], [200, {}, "retry: 3000\n\n"], [200, {}, "retry: 99999999999999\n\n"]);
  const { reader, told } = read();
  await pass(60_000);
  reader.stop();
  assert.deepEqual(seconds(requests), [4, 3]);
  assert.deepEqual(told.ended, [4_000, 3_000, 3_600_000]);
});

test("a request that is refused for good is not repeated", async () => {
  const requests = answerFetches([404]);
  const { told } = read();
  await pass(60_000);
  assert.deepEqual([requests.length, told.ended], [1, [undefined]]);
});
