// How a pipe ends when it is not by its source: stops, failures and signals, in simulated time.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Server } from "./server.mjs";
import { load, pass, settle, simulateTime } from "./simulated.mjs";
import { generated, hand } from "./sources.mjs";

const { channel } = await load("packages/client/src/publish");

const PATH = "/api/channels/run";
let server;
let run;

simulateTime();
beforeEach(() => {
  server = new Server();
  run = channel(`https://a.example${PATH}`, { fetch: server.fetch });
});
afterEach(() => server.close());

const closed = () => server.channel(PATH).closed;

test("when somebody else closes the channel, the source is cancelled", async () => {
  for (const isSilent of [false, true]) {
    const path = `${PATH}/${isSilent}`;
    const { stream, told, put } = hand();
    const ends = [];
    const piping = channel(`https://a.example${path}`, { fetch: server.fetch }).pipe(stream, { lease: 30, onStop: (end) => ends.push(end) });
    put("a");
    await pass(100);
    server.channel(path).close("stopped");
    if (!isSilent) put("b");
    await pass(15_000);
    const end = { reason: "stopped", last: "42" };
    assert.deepEqual(await piping, { count: 1, last: "42", stopped: end });
    assert.deepEqual(ends, [end]);
    assert.equal(told.cancelled?.kind, "closed");
    const { length } = server.requests;
    await pass(60_000);
    assert.equal(server.requests.length, length, "nothing more is appended");
  }
});

test("a generator is left when the channel is closed", async () => {
  let isLeft = false;
  const source = (async function* () {
    try {
      for (;;) {
        yield "a";
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      isLeft = true;
    }
  })();
  const piping = run.pipe(source);
  await pass(500);
  server.channel(PATH).close("stopped");
  await pass(500);
  assert.equal((await piping).stopped.reason, "stopped");
  assert.ok(isLeft);
});

test("a source that throws closes the channel with `failed`, behind what it gave before", async () => {
  const failure = new Error("the model failed");
  const piping = run.pipe(generated("a", "b", failure)).catch((error) => error);
  await pass(100);
  assert.equal(await piping, failure);
  assert.deepEqual([server.data(PATH), closed()], [["a", "b"], { reason: "failed" }]);
});

test("a response that is no success fails, and nothing of it is stored", async () => {
  const piping = run.pipe(new Response("busy", { status: 429 })).catch((error) => error);
  await pass(100);
  assert.equal((await piping).message, "the response is no success (429)");
  assert.deepEqual([server.data(PATH), closed()], [[], { reason: "failed" }]);
});

test("an entry that is too long fails, and says so", async () => {
  const { stream, told, put } = hand();
  const piping = run.pipe(stream).catch((error) => error);
  put("a", "x".repeat(20_000));
  await pass(100);
  assert.equal((await piping).message, "an entry has 20000 bytes, and may have 16384 at most");
  assert.deepEqual([server.data(PATH), closed()], [["a"], { reason: "failed" }]);
  assert.ok(told.cancelled instanceof RangeError);
});

test("a mistake in the options is told, and leaves the channel open", async () => {
  for (const options of [{ event: "a b" }, { event: "end" }, { key: "x".repeat(65) }]) {
    await assert.rejects(run.pipe(generated("a"), options), { name: "TypeError" });
  }
  assert.deepEqual([closed(), server.requests.length], [undefined, 0]);
});

test("a channel that refuses the entries ends the pipe with the refusal, and cancels the source", async () => {
  server.token = "other";
  const { stream, told, put } = hand();
  const piping = run.pipe(stream).catch((error) => error);
  put("a");
  await pass(100);
  const error = await piping;
  assert.deepEqual([error.status, told.cancelled], [403, error]);
});

test("a refusal of the last request is told, too", async () => {
  server.token = "other";
  const piping = run.pipe(generated("a")).catch((error) => error);
  await pass(100);
  assert.equal((await piping).status, 403);
});

test("a channel that somebody closed while its last entries were on their way was stopped", async () => {
  const piping = run.pipe(generated("a"));
  server.channel(PATH).close("stopped");
  await pass(100);
  assert.deepEqual(await piping, { count: 0, last: undefined, stopped: { reason: "stopped", last: "41" } });
});

test("a signal closes the channel with `aborted`, behind what was read, and cancels the source", async () => {
  const abort = new AbortController();
  const { stream, told, put } = hand();
  const piping = run.pipe(stream, { signal: abort.signal }).catch((error) => error);
  put("a");
  await settle();
  const enough = new Error("enough");
  abort.abort(enough);
  await pass(50);
  assert.deepEqual([await piping, told.cancelled], [enough, enough]);
  assert.deepEqual([server.data(PATH), closed()], [["a"], { reason: "aborted" }]);
});
