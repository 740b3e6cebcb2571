// `read`, in simulated time, against channels in memory.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Server } from "./server.mjs";
import { load, pass, pauses, settle, simulateTime } from "./simulated.mjs";

const { read, RefusedError } = await load("packages/client/src/index");

const CHANNEL = "/api/channels/run";
const URL_OF_CHANNEL = `https://a.example${CHANNEL}`;
let server;
/** Ends what a test leaves. */
let left;

simulateTime();
beforeEach(() => ([server, left] = [new Server(), new AbortController()]));
afterEach(() => {
  left.abort();
  server.close();
});

/** Reads until the end, and keeps what comes. */
function follow(query = "", options = {}) {
  const told = { data: [], ids: [], gaps: [], end: undefined, error: undefined };
  const loop = async () => {
    const entries = read(`${URL_OF_CHANNEL}${query}`, {
      fetch: server.fetch,
      signal: left.signal,
      onGap: (gap) => told.gaps.push(gap),
      onEnd: (end) => (told.end = end),
      ...options,
    });
    for await (const { id, data } of entries) {
      told.data.push(data);
      told.ids.push(id);
    }
  };
  told.done = loop().catch((error) => (told.error = error));
  return told;
}

const append = (...data) => server.channel(CHANNEL).append(data.map((data) => ({ data })));

test("entries come in order, and the loop ends when the channel is closed", async () => {
  append("a", "b\nc");
  const told = follow("?history=all");
  await settle();
  append("d");
  await settle();
  assert.deepEqual(told.data, ["a", "b\nc", "d"]);
  assert.equal(told.end, undefined);
  server.channel(CHANNEL).close("done");
  await told.done;
  assert.deepEqual([told.end, told.error], [{ reason: "done", last: "44" }, undefined]);
  await pass(60_000);
  assert.equal(server.requests.length, 1, "it does not connect again");
});

test("a stream that ends or breaks goes on at its cursor after the pause that the server asked for", async () => {
  Math.random = () => 0;
  const told = follow();
  for (const how of ["by plan", "break", "by plan"]) {
    await settle();
    append(`before it ends ${how}`);
    await settle();
    server.cut(how);
    append(`after it ended ${how}`);
    await pass(1_500);
  }
  assert.equal(told.data.length, 6);
  assert.deepEqual(told.ids, ["42", "43", "44", "45", "46", "47"]);
  assert.deepEqual(server.requests.map(({ url }) => url.searchParams.get("lastEventId")), [null, "42", "44", "46"]);
});

test("a stream on which nothing comes any more is dropped after 2.5 heartbeats", async () => {
  const told = follow();
  await settle();
  server.cut("silence");
  append("missed");
  await pass(37_000);
  assert.equal(server.requests.length, 1);
  await pass(3_000);
  assert.deepEqual(told.data, ["missed"]);
});

test("a bare stream that falls silent is dropped, too", async () => {
  const told = follow("?events=bare");
  await settle();
  server.cut("silence");
  append("missed");
  await pass(155_000);
  assert.deepEqual([told.data, server.requests.at(-1).url.searchParams.get("lastEventId")], [["missed"], "41"]);
});

test("a reader that takes its time is not taken for a dead stream", async () => {
  append("a", "b");
  const entries = read(`${URL_OF_CHANNEL}?history=all`, { fetch: server.fetch });
  await entries.next();
  await pass(600_000);
  assert.equal((await entries.next()).value.data, "b");
  assert.equal(server.requests.length, 1);
  await entries.return();
});

test("a server that does not answer is asked less and less often, and one that asks for a pause gets it", async () => {
  Math.random = () => 0.999;
  server.faults = [{ status: 0 }, { status: 500 }, { status: 0 }, { status: 503, headers: { "Retry-After": "9" } }];
  const told = follow();
  await pass(60_000);
  const moments = pauses(server.requests.map(({ at }) => at)).map((pause) => Math.round(pause / 100) / 10);
  assert.deepEqual(moments, [1, 2, 4, 11.3]);
  append("a");
  await settle();
  assert.deepEqual(told.data, ["a"]);
});

test("a refusal ends the loop with its status and its problem", async () => {
  server.token = "right";
  const told = follow("", { headers: { Authorization: "Bearer wrong" } });
  await told.done;
  assert.ok(told.error instanceof RefusedError);
  const { status, kind, problem, message } = told.error;
  assert.deepEqual([status, kind, problem.detail, message], [403, "forbidden", "it is forbidden", "it is forbidden (403)"]);
  await pass(60_000);
  assert.equal(server.requests.length, 1);
});

test("each request asks for its headers anew", async () => {
  server.token = "second";
  const tokens = ["first", "second"];
  server.faults = [{ status: 503 }];
  const told = follow("", { headers: async () => ({ Authorization: `Bearer ${tokens.shift()}` }) });
  await pass(2_000);
  append("a");
  await settle();
  assert.deepEqual([told.data, told.error], [["a"], undefined]);
});

test("a function that gives no headers ends the loop with its error", async () => {
  const told = follow("", { headers: () => Promise.reject(new Error("no token")) });
  await told.done;
  assert.equal(told.error.message, "no token");
});

test("an answer that is not a stream ends the loop", async () => {
  const told = follow("", { fetch: async () => new Response("<html>") });
  await told.done;
  assert.deepEqual([told.error.status, told.error.message], [200, "the answer is not a stream of server-sent events (200)"]);
});

test("a channel that was closed before ends the loop at once, on either host", async () => {
  server.channel(CHANNEL).close("stopped");
  const told = follow();
  await told.done;
  assert.deepEqual(told.end, { reason: "stopped", last: "41" });
  assert.deepEqual(server.requests.map(({ headers }) => headers.get("Accept")), ["text/event-stream", "application/json"]);
  server.isLambda = true;
  const other = follow();
  await other.done;
  assert.deepEqual([other.end, other.error], [{ reason: "stopped", last: "41" }, undefined]);
});

test("an end whose reason cannot be had is an end", async () => {
  const told = follow("", { fetch: async (_, { headers }) => new Response(null, { status: headers.get("Accept").includes("json") ? 500 : 204 }) });
  await told.done;
  assert.deepEqual([told.end, told.error], [{ reason: undefined, last: undefined }, undefined]);
});

test("a cursor that cannot be resumed is a gap, and on a bare stream a refusal", async () => {
  append("a");
  const told = follow("", { cursor: "7" });
  await settle();
  append("b");
  await settle();
  assert.deepEqual([told.gaps, told.data], [[{ reason: "expired", requested: "7", resumesAfter: "42" }], ["b"]]);
  const bare = follow("?events=bare", { cursor: "7" });
  await bare.done;
  assert.deepEqual([bare.error.status, bare.error.kind, bare.error.problem.resumes_after], [410, "gap", "43"]);
});

test("a signal ends the loop with its reason: before it begins, in a pause, and in a stream", async () => {
  for (const faults of [[{ status: 0 }], []]) {
    server.faults = faults;
    const abort = new AbortController();
    const told = follow("", { signal: abort.signal });
    await settle();
    abort.abort(new Error("enough"));
    await told.done;
    assert.equal(told.error.message, "enough");
  }
  assert.equal(server.channel(CHANNEL).readers.size, 0, "its stream is closed");
  const { length } = server.requests;
  const told = follow("", { signal: AbortSignal.abort(new Error("enough")) });
  await told.done;
  assert.deepEqual([told.error.message, server.requests.length], ["enough", length]);
});

test("a loop that is left closes its stream", async () => {
  append("a");
  for await (const { data } of read(`${URL_OF_CHANNEL}?history=1`, { fetch: server.fetch })) {
    assert.equal(data, "a");
    break;
  }
  await settle();
  assert.equal(server.channel(CHANNEL).readers.size, 0);
});

test("an error of a callback is the caller's, and is not taken for a broken stream", async () => {
  const told = follow("", { cursor: "7", onGap: () => { throw new TypeError("mine"); } });
  await told.done;
  assert.equal(told.error.message, "mine");
});
