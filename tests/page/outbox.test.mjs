// The messages that wait for a server that is too busy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFetches, load, pass, pauses, settle, simulateTime } from "../../packages/client/test/simulated.mjs";

const { Outbox } = await load("web/src/outbox");

simulateTime();

/** An outbox with one message on its way. */
function send() {
  const told = { stored: [], refused: [] };
  const outbox = new Outbox({
    changed: () => {},
    measured: () => {},
    stored: (_, id) => told.stored.push(id),
    refused: (pending) => told.refused.push(pending.retryAt - Date.now()),
  });
  outbox.send("lobby", "ada", "hello");
  return { outbox, told };
}

test("a server that is too busy and names no time is asked less and less often, with one key", async () => {
  Math.random = () => 0.5;
  const requests = answerFetches([429], [503], [503], [503], [503], [503], [503], [201, {}, '{"id":"9"}']);
  const { told } = send();
  await pass(120_000);
  const moments = requests.map(({ at }) => at);
  assert.deepEqual(pauses(moments).map((pause) => Math.round(pause / 100) / 10), [0.5, 1, 2, 4, 8, 15, 15]);
  assert.deepEqual(told.stored, ["9"]);
  assert.equal(new Set(requests.map(({ headers }) => headers["Idempotency-Key"])).size, 1);
});

test("a server that names a time is asked no sooner, and the message says when", async () => {
  const requests = answerFetches([429, { "Retry-After": "7" }], [201, {}, '{"id":"9"}']);
  const { told } = send();
  await pass(7_000 - 20);
  assert.equal(requests.length, 1);
  assert.ok(told.refused[0] >= 7_000 && told.refused[0] <= 8_750, `it says ${told.refused[0]} ms`);
  await pass(1_800);
  assert.deepEqual([requests.length, told.stored], [2, ["9"]]);
});

test("a message that is discarded while it waits is never posted again", async () => {
  const requests = answerFetches([503]);
  const { outbox } = send();
  await settle();
  await settle();
  const [pending] = outbox.in("lobby");
  assert.equal(pending.status, "waiting");
  outbox.discard(pending);
  await pass(60_000);
  assert.equal(requests.length, 1);
});

test("what must not be posted twice has a key of its own", async () => {
  const requests = answerFetches([201, {}, '{"id":"9"}']);
  send();
  send();
  await settle();
  const keys = requests.map(({ headers }) => headers["Idempotency-Key"]);
  assert.equal(new Set(keys).size, 2);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
