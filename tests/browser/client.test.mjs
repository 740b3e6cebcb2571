// The client module by itself: what a subscription tells, and how it is shared.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, follow, has, openClient, reader, state, states, stream, texts, told } from "./client.mjs";
import { eventually, openStreams, setVisibility, suite } from "./suite.mjs";

const the = suite();

test("a feed starts as its URL says, and tells entries and states in order, none before it is followed", async () => {
  const room = "client-start";
  const ids = [];
  for (const text of ["one", "two"]) ids.push(await the.host.say(text, { room }));
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/${room}?history=1`);
  const early = await page.evaluate((room) => {
    const early = [];
    globalThis.subscribe(`/api/chat/${room}`, { onEntry: () => early.push("entry"), onState: () => early.push("state") }).close();
    return early;
  }, room);
  assert.deepEqual(early, ["state"], "close() is told, and nothing else was");
  await has(page, 1);
  ids.push(await the.host.say("three", { room }));
  await has(page, 2);
  const { entries } = await told(page);
  assert.deepEqual(entries.map(({ id, event }) => [id, event]), ids.slice(1).map((id) => [id, "message"]));
  assert.deepEqual(await texts(page), ["two", "three"]);
  assert.deepEqual(await states(page), ["connecting", "live"]);
  assert.equal(await reader(page, "cursor"), ids[2]);
});

test("it goes on after a cursor, and a cursor that nobody gave is a gap", async () => {
  const room = "client-cursor";
  const ids = [];
  for (const text of ["one", "two", "three"]) ids.push(await the.host.say(text, { room }));
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/${room}?history=50`, { cursor: ids[0] });
  await has(page, 2);
  assert.deepEqual(await texts(page), ["two", "three"]);

  const lost = await openClient(await the.visitor());
  await follow(lost, `/api/chat/${room}`, { cursor: "no cursor" });
  await lost.waitForFunction(() => globalThis.told.gaps.length > 0);
  const { gaps } = await told(lost);
  assert.deepEqual(gaps, [{ reason: "unknown", requested: "no cursor", resumesAfter: ids[2] }]);
});

test("a subscription that is dropped for a while comes back to all that it missed", async () => {
  const room = "client-reconnect";
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/${room}`);
  await state(page, "live");
  await page.evaluate(() => globalThis.reader.reconnect(500));
  for (const text of ["one", "two"]) await the.host.say(text, { room });
  await has(page, 2);
  assert.deepEqual(await texts(page), ["one", "two"]);
  const [again] = (await told(page)).states.filter(({ name }) => name === "reconnecting");
  assert.ok(Math.abs(again.at - again.toldAt - 500) < 250, `it says when: ${JSON.stringify(again)}`);
  assert.equal(await reader(page, "reconnects"), 1);
});

test("an aborted signal closes it, and one that was aborted before lets nothing begin", async () => {
  const room = "client-abort";
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/${room}`, { signal: true });
  await state(page, "live");
  await page.evaluate(() => globalThis.abort.abort());
  assert.deepEqual(await openStreams(page), []);
  assert.deepEqual(await reader(page, "state"), { name: "closed", reason: "unsubscribed" });
  await the.host.say("too late", { room });
  await page.evaluate(() => globalThis.reader.close());

  const opened = await page.evaluate((room) => {
    const { length } = globalThis.sources;
    globalThis.late = globalThis.subscribe(`/api/chat/${room}`, { signal: AbortSignal.abort(), onEntry: () => {} });
    return length;
  }, room);
  await page.waitForFunction(() => globalThis.late.state.name === "closed");
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => globalThis.sources.length), opened, "no stream was opened");
  assert.deepEqual(await states(page), ["connecting", "live", "closed"], "it is told once, and nothing after it");
  assert.deepEqual(await texts(page), []);
});

test("what is not to be shared has a connection in each tab", async () => {
  const feed = "/api/chat/client-alone";
  const first = await openClient(await the.visitor());
  const second = await openClient(first.context());
  for (const page of [first, second]) await follow(page, feed, { share: false });
  for (const page of [first, second]) await state(page, "live");
  for (const page of [first, second]) assert.deepEqual([await reader(page, "role"), await openStreams(page)], ["alone", [feed]]);
  for (const page of [first, second]) await page.evaluate(() => globalThis.reader.close());

  for (const page of [first, second]) await follow(page, feed);
  await eventually("one leads and one follows", async () => {
    const roles = [await reader(first, "role"), await reader(second, "role")];
    return roles.sort().join() === "follower,leader";
  });
  for (const page of [first, second]) await state(page, "live");
  assert.equal((await Promise.all([first, second].map(openStreams))).flat().length, 1);
});

const said = (first, last, length = 0) =>
  Array.from({ length: last - first + 1 }, (_, at) => `id: ${first + at}\ndata: ${JSON.stringify({ text: "x".repeat(length) })}\n\n`);

test("a tab that comes late is shown its feed from the beginning, also when the others have forgotten it", async () => {
  const feed = "/api/chat/client-late";
  const first = await openClient(await the.visitor());
  const second = await openClient(first.context());
  await answers(first, feed, stream(`retry: 60000\n${said(1, 300, 2_000).join("")}`));
  await answers(second, feed, stream(`retry: 60000\n${said(281, 300).join("")}`));
  await follow(first, feed);
  await has(first, 300);
  await follow(second, feed);
  await eventually("it follows", async () => (await reader(second, "cursor")) === "300" && (await reader(second, "role")) === "follower");
  const { entries } = await told(second);
  assert.deepEqual(entries.map(({ id }) => Number(id)), Array.from({ length: 20 }, (_, at) => 281 + at));
});

test("entries without an id come once to a tab that was away, however many there were", async () => {
  const feed = "/api/events?tick=client";
  const cursor = 'id: 5\nevent: cursor\ndata: {"cursor":"5"}\n\n';
  const ticks = Array.from({ length: 1_500 }, (_, at) => `data: {"text":"${at}"}\n\n`).join("");
  const first = await openClient(await the.visitor());
  const second = await openClient(first.context());
  await answers(first, "/api/events", stream(`retry: 60000\n${cursor}${ticks}`), stream(`retry: 60000\n${cursor}data: {"text":"new"}\n\n`));
  await follow(first, feed);
  await has(first, 1_500);
  await follow(second, feed);
  await has(second, 1_500);
  await setVisibility(second, "hidden");
  await state(second, "paused");
  await first.evaluate(() => globalThis.reader.reconnect());
  await has(first, 1_501);
  await setVisibility(second, "visible");
  await second.waitForFunction(() => globalThis.told.entries.at(-1).data.includes("new"));
  for (const page of [first, second]) {
    const came = await texts(page);
    assert.deepEqual([came.length, new Set(came).size], [1_501, 1_501]);
  }
});

test("a browser without Web Locks follows, each tab by itself", async () => {
  const room = "client-no-locks";
  const visitor = await the.visitor();
  await visitor.addInitScript(() => delete Navigator.prototype.locks);
  const page = await openClient(visitor);
  assert.equal(await page.evaluate(() => "locks" in navigator), false);
  await follow(page, `/api/chat/${room}`);
  await state(page, "live");
  await the.host.say("hello", { room });
  await has(page, 1);
  assert.equal(await reader(page, "role"), "alone");
});

test("a leader that hangs is noticed: its followers read by themselves, and join it when it is back", async () => {
  const room = "client-hangs";
  const feed = `/api/chat/${room}`;
  const leader = await openClient(await the.visitor());
  await follow(leader, feed);
  await state(leader, "live");
  const followers = [await openClient(leader.context()), await openClient(leader.context())];
  for (const page of followers) {
    await follow(page, feed);
    await state(page, "live");
  }
  const tabs = [leader, ...followers];
  const roles = () => Promise.all(tabs.map((page) => reader(page, "role")));
  assert.deepEqual(await roles(), ["leader", "follower", "follower"]);
  await the.host.say("before", { room });
  for (const page of tabs) await has(page, 1);

  const hung = leader.waitForEvent("dialog");
  await leader.evaluate(() => void setTimeout(() => alert("it hangs")));
  const dialog = await hung;
  await the.host.say("while it hangs", { room });
  for (const page of followers) await has(page, 2);
  await dialog.accept();
  await eventually("they follow it again", async () => (await roles()).join() === "leader,follower,follower");
  await the.host.say("after", { room });
  for (const page of tabs) {
    await has(page, 3);
    assert.deepEqual(await texts(page), ["before", "while it hangs", "after"]);
  }
  assert.deepEqual((await Promise.all(tabs.map(openStreams))).map(({ length }) => length), [1, 0, 0]);
});
