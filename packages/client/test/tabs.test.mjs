// A tab among others, whose leader does not answer.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { load, pass, pauses, simulateTime } from "./simulated.mjs";

/** What the tab says to the others, and when. */
let said = [];
/** What the others say to the tab. */
let say;

globalThis.BroadcastChannel = class {
  constructor() {
    say = (data) => this.onmessage({ data });
  }

  postMessage(note) {
    said.push({ at: Date.now(), ...note });
  }

  close() {}
};
/** Another tab has the lock, until a test gives it to this one. */
let give;
/** Whether this tab has given it back. */
let isReleased = false;

function request(name, options, lead) {
  give = () => void lead().then(() => (isReleased = true));
  return new Promise(() => {});
}
globalThis.navigator ??= {}; // Node 20 has none.
Object.defineProperty(globalThis.navigator, "locks", { value: { request } });

const { Tabs } = await load("packages/client/src/tabs");

simulateTime();
beforeEach(() => ([said, isReleased] = [[], false]));

function join() {
  const told = { roles: [], opened: 0 };
  const tabs = new Tabs("feed", {
    cursor: () => "5",
    open: () => (told.opened += 1),
    close: () => {},
    reconnect: () => {},
    item: () => {},
    state: () => {},
    role: (role) => told.roles.push(role),
  });
  tabs.start();
  return { tabs, told };
}

const answer = (term) =>
  say({ type: "joined", to: said.at(-1).from, term, number: 0, state: { name: "live" }, after: "5", items: [] });

test("a tab whose leader does not answer reads by itself, and asks less and less often", async () => {
  Math.random = () => 0.999;
  const { tabs, told } = join();
  await pass(30_000);
  assert.deepEqual([told.roles, told.opened], [["follower", "alone"], 1]);
  const moments = said.filter(({ type }) => type === "join").map(({ at }) => at);
  assert.deepEqual(pauses(moments).map((pause) => Math.round(pause / 100) / 10), [1, 0.5, 1, 2, 4, 5, 5, 5, 5]);

  answer("first");
  assert.equal(told.roles.at(-1), "follower");
  said = [];
  // Nothing more is heard of that leader: after two beats this tab reads by itself again, and asks soon.
  await pass(8_000);
  assert.equal(told.roles.at(-1), "alone");
  const [first, second] = said.filter(({ type }) => type === "join").map(({ at }) => at);
  assert.ok(second - first <= 500, `it asks again after ${second - first} ms`);
  tabs.stop();
});

test("a new leader is asked at once, however long the old one was silent", async () => {
  const { tabs, told } = join();
  await pass(60_000);
  said = [];
  say({ type: "term", term: "second" });
  assert.deepEqual(said.map(({ type, at }) => [type, at]), [["join", Date.now()]]);
  await pass(1_510);
  assert.equal(said.length, 3, "and soon again, while it does not answer");
  answer("second");
  assert.equal(told.roles.at(-1), "follower");
  tabs.stop();
});

test("a leader gives its place to another tab at once, but after the end only when that has heard of it", async () => {
  for (const [hasEnded, pauses] of [[false, [true, true]], [true, [false, true]]]) {
    isReleased = false;
    const { tabs } = join();
    give();
    tabs.stop(hasEnded);
    await pass(900);
    const released = [isReleased];
    await pass(200);
    assert.deepEqual([...released, isReleased], pauses);
  }
});
