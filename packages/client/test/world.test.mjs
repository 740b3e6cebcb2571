// A writer, a host that fails in every way, and readers that are cut, in many simulated worlds: nothing is lost, nothing
// comes twice, nothing changes places.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "./server.mjs";
import { load, pass, seeded, simulateTime } from "./simulated.mjs";
import { hand } from "./sources.mjs";

const { channel, read } = await load("packages/client/test/entries");

const WORLDS = 40;
const PIECES = 80;
/** After so long at most all is over: a bare stream that fell silent is given up after two minutes and a half. */
const LONGEST_MS = 600_000;
const PATH = "/api/channels/world";

simulateTime();

const FAULTS = [{ status: 0 }, { lost: true }, { status: 503 }, { status: 429, headers: { "Retry-After": "1" } }, { status: 500 }, { status: 503, headers: { "Retry-After": "2" } }];
const CUTS = ["by plan", "break", "silence"];

async function follow(server, query, left) {
  const told = { data: [], end: undefined };
  const onEnd = (end) => (told.end = end.reason);
  told.done = (async () => {
    for await (const { data } of read(`https://a.example${PATH}${query}`, { fetch: server.fetch, signal: left.signal, onEnd })) told.data.push(data);
  })();
  return told;
}

test("what a pipe was given is stored once and in order, and each reader gets all of it", async () => {
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    Math.random = seeded(seed);
    const draw = seeded(seed + 1_000);
    const one = (list) => list[Math.floor(draw() * list.length)];
    const server = new Server();
    server.isLambda = seed % 2 === 0;
    server.retry = 500;
    const left = new AbortController();
    const { stream, put, end } = hand();
    const piping = channel(`https://a.example${PATH}`, { fetch: server.fetch }).pipe(stream, { lease: 60 });
    const readers = [await follow(server, "?history=all", left), await follow(server, "?history=all&events=bare", left)];
    const given = [];
    while (given.length < PIECES) {
      const pieces = Array.from({ length: 1 + Math.floor(draw() * 5) }, (_, at) => `${given.length + at}`);
      given.push(...pieces);
      put(...pieces);
      if (draw() < 0.3) server.faults.push(one(FAULTS));
      if (draw() < 0.1) server.cut(one(CUTS));
      await pass(Math.floor(draw() * 300));
    }
    end();
    let isOver = false;
    void Promise.allSettled([piping, ...readers.map(({ done }) => done)]).then(() => (isOver = true));
    for (let waited = 0; !isOver && waited < LONGEST_MS; waited += 1_000) await pass(1_000);
    const told = `world ${seed}`;
    assert.deepEqual(await piping, { count: given.length, last: String(41 + given.length), stopped: undefined }, told);
    assert.deepEqual(server.data(PATH), given, told);
    for (const { data, end, done } of readers) {
      await done;
      assert.deepEqual([data, end], [given, "done"], told);
    }
    left.abort();
    server.close();
  }
});
