// One connection of the client, against an `EventSource` that does what a test says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFetches, load, pass, pauses, settle, simulateTime } from "./simulated.mjs";
import { simulateSources, sources } from "./event-source.mjs";

const { Connection } = await load("packages/client/src/connection");

simulateTime();
simulateSources();

function connect() {
  const states = [];
  const connection = new Connection(new URL("https://a.example/api/chat"), {}, {
    cursor: () => undefined,
    item: () => {},
    state: (state) => states.push(state),
  });
  connection.open();
  return { connection, states };
}

/** Every attempt fails, from now on. */
async function failFor(millis) {
  for (let passed = 0; passed < millis; passed += 10) {
    if (sources.at(-1).readyState === 0) sources.at(-1).fail();
    await pass(10);
  }
}

test("attempts that fail become rare, and one that succeeds begins the pauses anew", async () => {
  Math.random = () => 0.999;
  connect();
  await failFor(100_000);
  const moments = sources.map(({ openedAt }) => openedAt);
  assert.deepEqual(pauses(moments).map((pause) => Math.round(pause / 1_000)), [1, 2, 4, 8, 16, 30, 30]);
  await pass(30_000);
  sources.at(-1).begin();
  const { length } = sources;
  const brokenAt = Date.now();
  sources.at(-1).fail();
  await failFor(2_000);
  assert.ok(sources[length].openedAt - brokenAt < 1_100, "the first pause is short again");
});

test("hurry ends a pause that the client chose, at once", async () => {
  Math.random = () => 0.999;
  const { connection, states } = connect();
  await failFor(10_000);
  const { length } = sources;
  assert.ok(states.at(-1).at > Date.now() + 4_000, "some time is left");
  connection.hurry();
  assert.equal(sources.length, length + 1);
  assert.equal(sources.at(-1).openedAt, Date.now());
  await pass(1_000);
  connection.hurry();
  assert.equal(sources.length, length + 1, "an attempt that is under way is left alone");
});

test("hurry does not end a pause that the server or a caller asked for", async () => {
  for (const ask of [
    async ({ connection }) => connection.reconnect(5_000),
    async () => {
      sources.at(-1).readyState = 1;
      sources.at(-1).onopen(new Event("open"));
      // A stream without an event: the server is full.
      sources.at(-1).fail();
    },
    async () => {
      answerFetches([503, { "Retry-After": "9" }]);
      sources.at(-1).fail({ givesUp: true });
      await settle();
      await settle();
    },
    async () => {
      answerFetches([429]);
      sources.at(-1).fail({ givesUp: true });
      await settle();
      await settle();
    },
  ]) {
    const connected = connect();
    const { length } = sources;
    await ask(connected);
    const { at } = connected.states.at(-1);
    assert.ok(at >= Date.now() + 5_000, `${ask}: it waits until ${at}`);
    connected.connection.hurry();
    await pass(4_000);
    assert.equal(sources.length, length, `${ask}`);
    await pass(30_000);
    assert.ok(sources.length > length, "it comes back in the end");
    connected.connection.close();
  }
});

test("a server that asks for years is asked again after an hour, not at once", async () => {
  const requests = answerFetches([503, { "Retry-After": "99999999999" }]);
  const { states } = connect();
  sources.at(-1).fail({ givesUp: true });
  await settle();
  await settle();
  assert.equal(states.at(-1).at - Date.now(), 3_600_000);
  await pass(60_000);
  assert.deepEqual([requests.length, sources.length], [1, 1]);
});
