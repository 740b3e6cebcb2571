// The client as a backend has it, against the channels of a real host: the same calls that its own tests make of one in memory.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DefaultChatTransport, createUIMessageStreamResponse, readUIMessageStream } from "ai";
import { load } from "../../packages/client/test/simulated.mjs";
import { hand } from "../../packages/client/test/sources.mjs";
import { startHost } from "./hosts.mjs";
import { SECRET } from "./token.mjs";

const { channel, fromChannel, mint, read, RefusedError, toChannel } = await load("packages/client/test/entries");

let host;
let token;
before(async () => {
  // Streams end by plan all the time, as they do on Lambda every minute.
  host = await startHost({ STREAM_SECS: "2" });
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  token = await mint({ exp, subscribe: ["*"], publish: ["channels/*"] }, SECRET);
});
after(() => host?.close());

const passed = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const url = (name) => `${host.base}/api/channels/${name}`;
const headers = () => ({ Authorization: `Bearer ${token}` });

/** All of a channel, until it is closed, and its end. */
async function all(name, query = "?history=all", options = {}) {
  const told = { data: [], events: [], ids: [], end: undefined };
  for await (const { id, event, data } of read(`${url(name)}${query}`, { headers, onEnd: (end) => (told.end = end), ...options })) {
    told.ids.push(id);
    told.events.push(event);
    told.data.push(data);
  }
  return told;
}

test("what is appended is read as it was, until the end", async () => {
  const run = channel(url("run/1"), { token });
  const data = ["a\nb", "", " begins with a space", { x: 1.50 }, null, "data: x\nid: 9", "\u2028\u0000\ufeff"];
  const { first, last, count } = await run.append(data, { event: "step", ifNoneMatch: "*" });
  assert.equal(count, data.length);
  const reading = all("run/1");
  await run.append("live");
  await run.close("full");
  const told = await reading;
  assert.deepEqual(told.data, ["a\nb", "", " begins with a space", '{"x":1.5}', "null", "data: x\nid: 9", "\u2028\u0000\ufeff", "live"]);
  assert.deepEqual([told.ids[0], told.ids[count - 1], told.events[0], told.events[count]], [first, last, "step", "message"]);
  assert.deepEqual(told.end, { reason: "full", last: told.ids[count] });
  const after = await all("run/1", "", { cursor: told.ids[count] });
  assert.deepEqual(after.data, []);
  assert.equal((await all("run/1", "", { cursor: told.ids[count - 1] })).data[0], "live");
});

test("conditions, keys and ends are refused as the client says it", async () => {
  const run = channel(url("run/2"), { token });
  const { last } = await run.append("a", { idempotencyKey: "mine" });
  const again = await run.append("a", { idempotencyKey: "mine" });
  assert.deepEqual([again.last, again.replayed], [last, true]);
  for (const condition of [{ ifMatch: "1" }, { ifNoneMatch: "*" }]) {
    await assert.rejects(run.append("b", condition), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.deepEqual([error.status, error.problem.last], [412, last]);
      return true;
    });
  }
  await run.append("b", { ifMatch: last });
  await run.close("stopped");
  assert.equal((await run.close("stopped")).count, 0);
  await assert.rejects(run.append("c"), (error) => {
    assert.deepEqual([error.status, error.kind, error.problem.reason], [409, "closed", "stopped"]);
    return true;
  });
  await run.delete();
  await assert.rejects(channel(url("run/2")).append("d"), { status: 403 });
});

test("what a pipe repeats because its answer was lost is told as it was the first time", async () => {
  const run = channel(url("run/7"), { token });
  for (const options of [{ ifNoneMatch: "*", idempotencyKey: "first" }, { close: true, reason: "done", idempotencyKey: "last" }]) {
    const { replayed, ...appended } = await run.append(["a", "b"], options);
    assert.equal(replayed, false);
    assert.deepEqual(await run.append(["a", "b"], options), { ...appended, replayed: true });
  }
  assert.deepEqual((await all("run/7")).data, ["a", "b", "a", "b"]);
});

test("the most that the client sends is taken", async () => {
  const run = channel(url("run/3"), { token });
  await run.append("x".repeat(16 * 1024));
  await run.append(Array(500).fill("x".repeat(100)));
  await run.append(Array(3).fill("y".repeat(16 * 1024)), { close: true });
  assert.equal((await all("run/3")).data.length, 504);
});

test("a pipe is whole over a restart of its host, and renews its lease", { timeout: 120_000 }, async () => {
  const { stream, put, end } = hand();
  const piping = channel(url("run/4"), { token }).pipe(stream, { lease: 15 });
  const reading = all("run/4");
  const pieces = Array.from({ length: 60 }, (_, at) => `${at}`);
  for (const piece of pieces) {
    put(piece);
    if (piece === "30") await host.restart();
    await passed(20);
  }
  await passed(16_000);
  end();
  const [{ count, stopped }, told] = [await piping, await reading];
  assert.deepEqual([count, stopped, told.data, told.end.reason], [60, undefined, pieces, "done"]);
});

test("who stops a channel stops its pipe, and a writer that dies is noticed", async () => {
  const { stream, told, put } = hand();
  const stops = [];
  const piping = channel(url("run/5"), { token }).pipe(stream, { lease: 5, onStop: (end) => stops.push(end) });
  put("a");
  await passed(300);
  const exp = Math.floor(Date.now() / 1_000) + 60;
  const stopper = channel(url("run/5"), { token: await mint({ exp, close: ["channels/run/5"] }, SECRET) });
  const { last } = await stopper.close("stopped");
  await assert.rejects(stopper.append("b"), { status: 403 });
  assert.deepEqual((await piping).stopped, { reason: "stopped", last });
  assert.deepEqual([stops.length, told.cancelled?.kind], [1, "closed"]);
  await channel(url("run/6"), { token }).append("a", { lease: 5 });
  assert.equal((await all("run/6")).end.reason, "abandoned");
});

test("an answer of the AI SDK is read whole while it is under way, and not when it is complete", async () => {
  const { stream, put, end } = hand();
  let work;
  const consumeSseStream = toChannel(channel(url("chats/7"), { token }), { waitUntil: (promise) => (work = promise) });
  const response = createUIMessageStreamResponse({ stream, consumeSseStream });
  const own = response.text();
  const transport = new DefaultChatTransport(fromChannel((id) => url(`chats/${id}`), { headers }));
  assert.equal(await transport.reconnectToStream({ chatId: "7" }), null);
  put({ type: "start" }, { type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Once " });
  await passed(500);
  const chunks = await transport.reconnectToStream({ chatId: "7" });
  put({ type: "text-delta", id: "t", delta: "upon" }, { type: "text-end", id: "t" }, { type: "finish" });
  end();
  let message;
  for await (message of readUIMessageStream({ stream: chunks }));
  assert.equal(message.parts[0].text, "Once upon");
  await Promise.all([work, own]);
  assert.equal(await transport.reconnectToStream({ chatId: "7" }), null);
});
