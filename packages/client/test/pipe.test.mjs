// Piping into a channel, in simulated time, against channels in memory.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Server } from "./server.mjs";
import { load, pass, pauses, settle, simulateTime } from "./simulated.mjs";
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
const counts = () => server.requests.map(({ body }) => body.split("\n\n").length - 1);

const eventStream = (body) => new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
const utf8 = (text) => new TextEncoder().encode(text);

test("every kind of source is piped in order, and the channel is closed behind it", async () => {
  for (const [source, expected] of [
    [generated("a", "b\nc", "", { x: 1 }, 7), ["a", "b\nc", '{"x":1}', "7"]],
    [ReadableStream.from(["a", "", "b"]), ["a", "b"]],
    [ReadableStream.from([{ x: 1 }, [2]]), ['{"x":1}', "[2]"]],
    // A character that is cut between two chunks of bytes.
    [ReadableStream.from([utf8("aé").subarray(0, 2), utf8("é").subarray(1), utf8("b").buffer]), ["a", "é", "b"]],
    [new Response("a text"), ["a text"]],
    [eventStream(': hello\n\nid: 7\ndata: {"a":1}\n\nevent: done\ndata: x\ndata: y\n\nretry: 9\n\ndata: [DONE]\n\ndata: cut off'), ['{"a":1}', "x\ny", "[DONE]"]],
    [generated(), []],
  ]) {
    const { pathname } = new URL(`https://a.example${PATH}/${Math.random()}`);
    const piping = channel(`https://a.example${pathname}`, { fetch: server.fetch }).pipe(source);
    await pass(100);
    const piped = await piping;
    assert.deepEqual(server.data(pathname), expected);
    assert.deepEqual(piped, { count: expected.length, last: String(41 + expected.length), stopped: undefined });
    assert.deepEqual(server.channel(pathname).closed, { reason: "done" });
  }
});

test("events keep their names, and others get the one that is given", async () => {
  const piping = run.pipe(eventStream("event: tool\ndata: 1\n\ndata: 2\n\n"), { event: "step", key: "k" });
  await pass(100);
  await piping;
  assert.deepEqual(server.channel(PATH).entries.map(({ event, key }) => [event, key]), [["tool", "k"], ["step", "k"]]);
});

test("a name that an entry may not have is left out, and its data stays", async () => {
  const piping = run.pipe(eventStream("event: error\ndata: 1\n\nevent: a/b\ndata: 2\n\nevent: a.b\ndata: 3\n\n"));
  await pass(100);
  await piping;
  assert.deepEqual(server.channel(PATH).entries.map(({ event, data }) => [event, data]), [[undefined, "1"], [undefined, "2"], ["a.b", "3"]]);
});

test("pieces are gathered for 40 ms, and sent in one request at a time", async () => {
  const { stream, put, end } = hand();
  const piping = run.pipe(stream);
  put("a");
  await pass(30);
  put("b");
  assert.equal(server.requests.length, 0);
  await pass(20);
  assert.deepEqual(counts(), [2]);
  put("c");
  await pass(50);
  put("d");
  await settle();
  end();
  await pass(10);
  await piping;
  assert.deepEqual(counts(), [2, 1, 1], "the end waits for nothing");
  assert.equal(server.requests.at(-1).url.search, "?close=1&reason=done", "and closes in the same request");
});

test("from 16 KiB on pieces are not gathered any longer", async () => {
  const { stream, put, end } = hand();
  const piping = run.pipe(stream);
  put("x".repeat(10_000), "y".repeat(10_000));
  for (let turn = 0; turn < 3; turn += 1) await settle();
  assert.deepEqual(counts(), [2]);
  end();
  await pass(50);
  await piping;
});

test("while a request is under way the source is read on, up to what the next one takes", async () => {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  const slow = channel(`https://a.example${PATH}`, { fetch: async (...request) => (await opened, server.fetch(...request)) });
  let given = 0;
  const source = (async function* () {
    for (; given < 2_000; given += 1) yield `${given}`;
  })();
  const piping = slow.pipe(source);
  await pass(2_000);
  assert.ok(given >= 999 && given <= 1_002, `one request is under way and one waits: ${given} pieces were taken`);
  open();
  await pass(1_000);
  const piped = await piping;
  assert.equal(piped.count, 2_000);
  assert.deepEqual(server.data(PATH), Array.from({ length: 2_000 }, (_, at) => `${at}`));
  assert.ok(Math.max(...counts()) <= 500, `${counts()}`);
});

test("whatever fails on the way, everything is stored once, in order", async () => {
  server.faults = [{ lost: true }, { status: 503, headers: { "Retry-After": "1" } }, { status: 0 }, {}, { lost: true }, { lost: true }, { status: 429 }];
  const { stream, put, end } = hand();
  const piping = run.pipe(stream);
  for (let at = 0; at < 40; at += 1) {
    put(`${at}`);
    await pass(100);
  }
  end();
  await pass(30_000);
  assert.deepEqual(await piping, { count: 40, last: "81", stopped: undefined });
  assert.deepEqual(server.data(PATH), Array.from({ length: 40 }, (_, at) => `${at}`));
  assert.deepEqual(closed(), { reason: "done" });
});

test("the lease is renewed while the source is silent, and kept with what is appended", async () => {
  const { stream, put, end } = hand();
  const piping = run.pipe(stream, { lease: 30, keep: 3_600 });
  await pass(25_000);
  put("a");
  await pass(100_000);
  assert.equal(closed(), undefined);
  const [first, ...more] = server.requests;
  assert.deepEqual([first.url.search, first.body], ["?lease=30&keep=3600", ""]);
  assert.equal(more.find(({ body }) => body).url.search, "?lease=30&keep=3600", "with the first entries, too");
  assert.equal(server.requests.at(-1).url.search, "?lease=30");
  assert.ok(Math.max(...pauses(server.requests.map(({ at }) => at))) <= 10_050);
  end();
  await pass(50);
  await piping;
  assert.deepEqual(closed(), { reason: "done" });
});

test("without a lease, a silent source costs no request", async () => {
  const { stream, end } = hand();
  const piping = run.pipe(stream);
  await pass(600_000);
  assert.equal(server.requests.length, 0);
  end();
  await pass(50);
  assert.deepEqual(await piping, { count: 0, last: "41", stopped: undefined });
});
