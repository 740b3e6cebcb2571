// Appending to a channel, and tokens, against channels in memory.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { Server } from "./server.mjs";
import { load, pass, pauses, settle, simulateTime } from "./simulated.mjs";

const { channel, mint, RefusedError } = await load("packages/client/src/publish");

const PATH = "/api/channels/run";
let server;
let run;

simulateTime();
beforeEach(() => {
  server = new Server();
  run = channel(`https://a.example${PATH}`, { token: "t", fetch: server.fetch });
});
afterEach(() => server.close());

const keys = () => server.requests.map(({ headers }) => headers.get("Idempotency-Key"));

test("a text is appended as it is, and any other value as JSON", async () => {
  const all = ["a\nb", "", " begins with a space", { x: 1 }, 7, null, [1, 2], "data: x\r\nid: 9", "\u2028\u0000"];
  const appended = await run.append(all);
  assert.deepEqual(appended, { first: "42", last: "50", count: 9, replayed: false });
  assert.deepEqual(server.data(PATH), ["a\nb", "", " begins with a space", '{"x":1}', "7", "null", "[1,2]", "data: x\nid: 9", "\u2028\u0000"]);
  assert.equal((await run.append("one")).count, 1);
  assert.equal(server.requests[0].headers.get("Authorization"), "Bearer t");
});

test("what the server is to do with entries goes with the request", async () => {
  await run.append([1, 2], { event: "step", key: "k", lease: 30, keep: 3_600, close: true, reason: "full", ifNoneMatch: "*", idempotencyKey: "mine" });
  const [{ url, headers }] = server.requests;
  assert.deepEqual(Object.fromEntries(url.searchParams), { key: "k", lease: "30", keep: "3600", close: "1", reason: "full" });
  assert.deepEqual([headers.get("If-None-Match"), headers.get("Idempotency-Key")], ["*", "mine"]);
  const { entries, closed } = server.channel(PATH);
  assert.deepEqual(entries.map(({ event, key }) => [event, key]), [["step", "k"], ["step", "k"]]);
  assert.deepEqual(closed, { reason: "full" });
});

test("a condition that does not hold is a refusal that says the last id", async () => {
  await run.append("a", { ifMatch: "41" });
  for (const condition of [{ ifMatch: "41" }, { ifNoneMatch: "*" }]) {
    await assert.rejects(run.append("b", condition), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.deepEqual([error.status, error.problem.last], [412, "42"]);
      return true;
    });
  }
  assert.deepEqual(server.data(PATH), ["a"]);
});

test("what is too long, or has a name that could begin a line, is never sent", async () => {
  const long = "é".repeat(8_193);
  await assert.rejects(run.append(long), { name: "RangeError", message: "an entry has 16386 bytes, and may have 16384 at most" });
  await assert.rejects(run.append("\n".repeat(16_000)), { name: "RangeError", message: /so many lines/ });
  await assert.rejects(run.append(Array(501).fill(1)), { name: "RangeError", message: "a request has 501 entries, and may have 500 at most" });
  await assert.rejects(run.append(Array(5).fill("x".repeat(16_000))), { name: "RangeError", message: /may have 65536 at most/ });
  await assert.rejects(run.append(undefined), { name: "TypeError" });
  await assert.rejects(run.append("a", { event: "x\ndata: y" }), { name: "TypeError", message: /^event: / });
  for (const event of ["cursor", "end", "error"]) await assert.rejects(run.append("a", { event }), { message: /none of cursor, end/ });
  await assert.rejects(run.append("a", { key: "a b" }), { name: "TypeError", message: /^key: / });
  assert.equal(server.requests.length, 0);
});

test("an append whose answer is lost is repeated with its key, and stored once", async () => {
  server.faults = [{ lost: true }, { status: 503 }];
  const appending = run.append("a");
  await pass(2_000);
  assert.deepEqual(await appending, { first: "42", last: "42", count: 1, replayed: true });
  assert.deepEqual([server.data(PATH), new Set(keys()).size], [["a"], 1]);
  await run.append("a");
  assert.equal(server.data(PATH).length, 2, "another call is another entry");
});

test("a server that asks for a pause gets it, and one that is away is asked less and less often, for a minute", async () => {
  Math.random = () => 0.999;
  server.faults = [{ status: 429, headers: { "Retry-After": "3" } }, ...Array(50).fill({ status: 0 })];
  const appending = run.append("a").catch((error) => error);
  await pass(90_000);
  assert.equal((await appending).message, "fetch failed");
  const moments = pauses(server.requests.map(({ at }) => at)).map((pause) => Math.round(pause / 10) / 100);
  assert.deepEqual(moments, [3.75, 0.25, 0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8]);
});

test("a server that asks for more than a minute is not waited for", async () => {
  server.faults = [{ status: 503, headers: { "Retry-After": "90" } }];
  await assert.rejects(run.append("a"), { name: "RefusedError", status: 503 });
});

test("a server that never answers is asked again", async () => {
  let asked = 0;
  const silent = channel(`https://a.example${PATH}`, { fetch: () => ((asked += 1), new Promise(() => {})) });
  const appending = silent.append("a").catch((error) => error);
  await pass(29_000);
  assert.equal(asked, 1);
  await pass(4_000);
  assert.equal(asked, 2);
  await pass(60_000);
  assert.match((await appending).message, /did not answer for 30 s/);
});

test("a refusal is not repeated, and says its status and its problem", async () => {
  server.token = "other";
  await assert.rejects(run.append("a"), { status: 403, kind: "forbidden", message: "it is forbidden (403)" });
  assert.equal(server.requests.length, 1);
});

test("a signal ends an append with its reason: before it begins, in a pause and in a request", async () => {
  const enough = new Error("enough");
  await assert.rejects(run.append("a", { signal: AbortSignal.abort(enough) }), enough);
  assert.equal(server.requests.length, 0);
  const silent = channel(`https://a.example${PATH}`, { fetch: () => new Promise(() => {}) });
  server.faults = [{ status: 503, headers: { "Retry-After": "30" } }];
  for (const asked of [run, silent]) {
    const abort = new AbortController();
    const appending = asked.append("a", { signal: abort.signal });
    await settle();
    abort.abort(enough);
    await assert.rejects(appending, enough);
  }
});

test("a token is asked for anew for each attempt, and one that cannot be had ends the append", async () => {
  const tokens = ["first", "second"];
  server.token = "second";
  server.faults = [{ status: 503 }];
  const appending = channel(`https://a.example${PATH}`, { token: async () => tokens.shift(), fetch: server.fetch }).append("a");
  await pass(1_000);
  assert.equal((await appending).last, "42");
  const none = channel(`https://a.example${PATH}`, { token: () => Promise.reject(new Error("no token")), fetch: server.fetch });
  await assert.rejects(none.append("a"), { message: "no token" });
});

test("a channel is closed once, and whoever appends to it then hears why", async () => {
  await run.append("a");
  assert.equal((await run.close("stopped")).last, "42");
  assert.equal((await run.close("stopped")).last, "42");
  for (const late of [run.append("b"), run.close("done")]) {
    await assert.rejects(late, (error) => {
      assert.deepEqual([error.status, error.kind, error.problem.reason, error.problem.last], [409, "closed", "stopped", "42"]);
      return true;
    });
  }
  await run.delete();
  assert.deepEqual(server.data(PATH), []);
});

test("a token is signed as the server checks it", async () => {
  const secret = "0123456789abcdef0123456789abcdeü";
  const claims = { sub: "ada", exp: Math.floor(Date.now() / 1_000) + 3_600, subscribe: ["*"], close: ["channels/run/42"] };
  const token = await mint(claims, secret);
  const [head, body, signature] = token.split(".");
  assert.deepEqual([head, body].map((part) => JSON.parse(Buffer.from(part, "base64url"))), [{ alg: "HS256" }, claims]);
  assert.equal(signature, createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url"));
});

test("no token is minted with a short secret, or for years by a mistake of units", async () => {
  const secret = "x".repeat(32);
  const exp = Math.floor(Date.now() / 1_000) + 60;
  await assert.rejects(mint({ exp }, "x".repeat(31)), { name: "RangeError", message: "the secret has 31 bytes, and must have 32 at least" });
  await assert.rejects(mint({ exp: Date.now() }, secret), { name: "RangeError", message: /^exp: .*seconds/ });
  await assert.rejects(mint({ exp: exp + 0.5 }, secret), { name: "RangeError", message: /^exp: .*integer/ });
  await assert.rejects(mint({}, secret), { name: "RangeError", message: /^exp: / });
  await assert.rejects(mint({ exp, nbf: Date.now() }, secret), { name: "RangeError", message: /^nbf: / });
});
