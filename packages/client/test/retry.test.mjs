// Pauses before another attempt, of one reader and of a thousand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load, pass, pauses, simulateTime } from "./simulated.mjs";

const { Backoff, isFinal, pauseAsked, pauseWhenFull, QUESTION, REQUEST, retryAfterSecs } = await load("packages/client/src/retry");

simulateTime();

/** As little below 1 as a random number may be. */
const ALMOST_ONE = 1 - 2 ** -53;
const failures = (backoff, count) => Array.from({ length: count }, () => Math.round(backoff.failed()));

test("the longest possible pauses double up to a bound, and a success begins them anew", () => {
  Math.random = () => ALMOST_ONE;
  const request = new Backoff(REQUEST);
  assert.equal(request.hasFailed, false);
  assert.deepEqual(failures(request, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(request.hasFailed, true);
  request.succeeded();
  assert.equal(request.hasFailed, false);
  assert.deepEqual(failures(request, 2), [1_000, 2_000]);
  assert.deepEqual(failures(new Backoff(QUESTION), 6), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("ten thousand failures are counted like ten", () => {
  Math.random = () => ALMOST_ONE;
  const backoff = new Backoff(REQUEST);
  assert.equal(failures(backoff, 10_000).at(-1), REQUEST.longest);
});

test("the shortest possible pause is none", () => {
  Math.random = () => 0;
  assert.deepEqual(failures(new Backoff(REQUEST), 3), [0, 0, 0]);
});

test("a pause that the server asked for is never shorter, and at most a quarter longer", () => {
  for (const [fraction, pause] of [[0, 2_000], [ALMOST_ONE, 2_500]]) {
    Math.random = () => fraction;
    assert.equal(Math.round(pauseAsked(2_000)), pause);
  }
});

test("no server can ask for a pause that overflows a timer", () => {
  for (const fraction of [0, ALMOST_ONE]) {
    Math.random = () => fraction;
    assert.equal(pauseAsked(1e15), 3_600_000);
  }
});

test("a server without room is left alone for 10 to 30 s", () => {
  for (const [fraction, pause] of [[0, 10_000], [ALMOST_ONE, 30_000]]) {
    Math.random = () => fraction;
    assert.equal(Math.round(pauseWhenFull()), pause);
  }
});

test("Retry-After is a number of seconds, and anything else says nothing", () => {
  for (const [value, seconds] of [["7", 7], ["0.5", 0.5], ["0", undefined], ["-1", undefined], ["soon", undefined], ["", undefined]]) {
    assert.equal(retryAfterSecs(new Headers({ "Retry-After": value })), seconds, value);
  }
  assert.equal(retryAfterSecs(new Headers({ "Retry-After": "Sat, 28 Nov 2026 10:00:00 GMT" })), undefined);
  assert.equal(retryAfterSecs(new Headers()), undefined);
});

test("a refusal is final unless another moment may mend it", () => {
  const statuses = [0, 200, 204, 304, 400, 401, 403, 404, 408, 425, 429, 499, 500, 503];
  assert.deepEqual(statuses.filter(isFinal), [400, 401, 403, 404, 499]);
});

test("a thousand readers of a server that is away for a minute come back in no wave, and all soon", async () => {
  const READERS = 1_000;
  const AWAY_MS = 60_000;
  const begin = Date.now();
  const attempts = [];
  const back = [];
  for (let reader = 0; reader < READERS; reader += 1) {
    const backoff = new Backoff(REQUEST);
    const attempt = () => {
      attempts.push(Date.now() - begin);
      if (Date.now() - begin >= AWAY_MS) back.push(Date.now() - begin);
      else setTimeout(attempt, backoff.failed());
    };
    attempt();
  }
  assert.equal(attempts.length, READERS, "all lose it at once");
  await pass(AWAY_MS + REQUEST.longest + 10);
  assert.equal(back.length, READERS, "all are back when the longest pause is over");
  const inSecond = (second) => attempts.filter((at) => at > second * 1_000 && at <= (second + 1) * 1_000).length;
  const later = Array.from({ length: 90 }, (_, second) => inSecond(second)).slice(10);
  assert.ok(Math.max(...later) < READERS / 5, `attempts in each second from the tenth on: ${later}`);
  assert.ok(attempts.length < 12 * READERS, `${attempts.length} attempts of ${READERS} readers in a minute`);
  assert.ok(Math.max(...pauses(back.toSorted((a, b) => a - b))) < 2_000, "they come back evenly");
});
