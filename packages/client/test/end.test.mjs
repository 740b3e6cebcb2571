// How a subscription hears that its channel was closed, and that it never connects again then.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { answerFetches, load, pass, settle, simulateTime } from "./simulated.mjs";
import { simulateSources, sources } from "./event-source.mjs";

globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
const events = new EventTarget();
globalThis.addEventListener ??= events.addEventListener.bind(events);
const { subscribe } = await load("packages/client/src/index");

const JSON_TYPE = { "Content-Type": "application/json" };
const PROBLEM_TYPE = { "Content-Type": "application/problem+json" };

simulateTime();
simulateSources();

let subscription;
afterEach(() => subscription.close());

async function follow(cursor) {
  const told = { data: [], ends: [], states: [], order: [] };
  subscription = subscribe("https://a.example/api/channels/run", {
    share: false,
    cursor,
    onEntry: ({ data }) => told.order.push(data) && told.data.push(data),
    onEnd: (end) => told.order.push("end") && told.ends.push(end),
    onState: (state) => told.states.push(state),
  });
  await settle();
  return told;
}

/** What was told of the end, once hours have passed in which it could have connected again. */
async function ended(told) {
  for (let turn = 0; turn < 4; turn += 1) await settle();
  const { length } = sources;
  await pass(60_000);
  assert.equal(sources.length, length, "it does not connect again");
  assert.equal(sources.at(-1).readyState, 2);
  const [end, ...more] = told.ends;
  assert.deepEqual(more, [], "it is told once");
  assert.deepEqual(told.states.at(-1), { name: "closed", reason: "ended", end });
  return end;
}

test("the event `end` comes behind the last entry", async () => {
  const told = await follow();
  sources[0].begin();
  sources[0].send("message", "last one", "45");
  sources[0].send("end", '{"reason":"done","last":"45"}', "45");
  assert.deepEqual(await ended(told), { reason: "done", last: "45" });
  assert.deepEqual(told.order, ["last one", "end"]);
  assert.equal(subscription.cursor, "45");
});

test("an end whose data is not readable is an end", async () => {
  const told = await follow();
  sources[0].begin();
  sources[0].send("end", "soon", "45");
  assert.deepEqual(await ended(told), { reason: undefined, last: undefined });
});

test("a reader that comes back to a closed channel hears by which reason it was closed", async () => {
  const requests = answerFetches([200, JSON_TYPE, '{"entries":[],"cursor":"45","closed":{"reason":"stopped"}}']);
  const told = await follow("45");
  sources[0].fail({ givesUp: true });
  assert.deepEqual(await ended(told), { reason: "stopped", last: "45" });
  assert.equal(new URL(requests[0].url).searchParams.get("lastEventId"), "45");
});

test("it asks from where the stream came to, not from where it began", async () => {
  const requests = answerFetches([200, JSON_TYPE, '{"entries":[],"cursor":"46","closed":{"reason":"done"}}']);
  const told = await follow("45");
  sources[0].begin();
  sources[0].send("message", "46", "46");
  sources[0].fail();
  sources[0].fail({ givesUp: true });
  await ended(told);
  assert.equal(new URL(requests[0].url).searchParams.get("lastEventId"), "46");
});

test("a channel that was closed, and has entries left for this reader, is read on", async () => {
  answerFetches([200, JSON_TYPE, '{"entries":[{"id":"46"}],"cursor":"46","closed":{"reason":"done"}}']);
  const told = await follow("45");
  sources[0].fail({ givesUp: true });
  await pass(2_000);
  assert.equal(sources.length, 2);
  assert.deepEqual(told.ends, []);
});

test("`204`, and `410` on a host that cannot answer without a body, are the end", async () => {
  answerFetches([204]);
  let told = await follow("45");
  sources[0].fail({ givesUp: true });
  assert.deepEqual(await ended(told), { reason: undefined, last: undefined });
  answerFetches([410, PROBLEM_TYPE, '{"type":"urn:ssedge:problem:ended","status":410}']);
  told = await follow("45");
  sources.at(-1).fail({ givesUp: true });
  assert.deepEqual(await ended(told), { reason: undefined, last: undefined });
});

test("any other `410` is a refusal", async () => {
  answerFetches([410, PROBLEM_TYPE, '{"type":"urn:ssedge:problem:gap","status":410,"detail":"it is gone"}']);
  const told = await follow("45");
  sources[0].fail({ givesUp: true });
  for (let turn = 0; turn < 4; turn += 1) await settle();
  assert.deepEqual(told.states.at(-1), { name: "closed", reason: "refused", status: 410, type: "urn:ssedge:problem:gap", detail: "it is gone" });
  assert.deepEqual(told.ends, []);
});
