// Several tabs of one visitor share a connection per feed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, eventually, inState, openStreams, setVisibility, showsExactly, suite } from "./suite.mjs";

const the = suite();

const FEEDS = (room) => ["/api/events", "/api/stock", `/api/chat/${room}`];

/** Opens tabs of one visitor in a room, one after the other. */
async function openTabs(room, count) {
  const context = await the.visitor();
  const tabs = [];
  for (let tab = 0; tab < count; tab += 1) {
    const page = await context.newPage();
    await page.goto(`/#/chat/${room}`);
    await inState(page, "chat", "live");
    tabs.push(page);
  }
  return tabs;
}

/** All streams of these tabs, sorted. */
const streams = async (tabs) => (await Promise.all(tabs.map(openStreams))).flat().sort();

const shareOne = (room, tabs) =>
  eventually(`one stream per feed for ${tabs.length} tabs`, async () => {
    const open = await streams(tabs);
    return open.join() === FEEDS(room).sort().join();
  });

test("three tabs, one stream per feed, and each shows all", async () => {
  const room = "three";
  const ids = [await the.host.say("before", { room })];
  const tabs = await openTabs(room, 3);
  await shareOne(room, tabs);
  ids.push(await the.host.say("live", { room }));
  for (const tab of tabs) await showsExactly(tab, ids);
});

test("the leader is closed in the middle of a conversation: nothing is lost, nothing comes twice", async () => {
  const room = "closed";
  const tabs = await openTabs(room, 3);
  await shareOne(room, tabs);
  const ids = [];
  for (let count = 0; count < 60; count += 1) {
    ids.push(await the.host.say(`message ${count}`, { room }));
    // The first to come is the leader, and after it the second.
    if (count === 15 || count === 35) void tabs.shift().close({ runBeforeUnload: false });
  }
  assert.equal(tabs.length, 1);
  await showsExactly(tabs[0], ids);
  await shareOne(room, tabs);
});

test("a leader that ends without a farewell is followed by another tab", async () => {
  const room = "silent";
  const tabs = await openTabs(room, 2);
  await shareOne(room, tabs);
  const ids = [await the.host.say("one", { room })];
  await showsExactly(tabs[1], ids);
  await tabs[0].evaluate(() => (globalThis.diesSilently = true));
  void tabs.shift().close();
  ids.push(await the.host.say("two", { room }));
  await showsExactly(tabs[0], ids);
});

test("a leader that goes into the background is followed by another tab, and comes back as one of many", async () => {
  const room = "behind";
  const tabs = await openTabs(room, 2);
  const [leader, other] = tabs;
  await shareOne(room, [leader]);
  const ids = [await the.host.say("both see it", { room })];
  for (const tab of tabs) await showsExactly(tab, ids);
  await setVisibility(leader, "hidden");
  await inState(leader, "chat", "paused");
  ids.push(await the.host.say("one sees it", { room }));
  await showsExactly(other, ids);
  await shareOne(room, [other]);
  assert.deepEqual(await openStreams(leader), []);
  await setVisibility(leader, "visible");
  await showsExactly(leader, ids);
  ids.push(await the.host.say("both again", { room }));
  for (const tab of tabs) await showsExactly(tab, ids);
  await shareOne(room, tabs);
});

test("a tab that joins late shows the history, and a room of its own has its own stream", async () => {
  const room = "late";
  const ids = [await the.host.say("one", { room })];
  const [first] = await openTabs(room, 1);
  await showsExactly(first, ids);
  ids.push(await the.host.say("two", { room }));
  const second = await first.context().newPage();
  await second.goto(`/#/chat/${room}`);
  await showsExactly(second, ids);
  await shareOne(room, [first, second]);

  await second.evaluate(() => (location.hash = "#/chat/other"));
  await eventually("a stream of its own", async () => (await openStreams(second)).includes("/api/chat/other"));
  const id = await the.host.say("elsewhere", { room: "other" });
  await showsExactly(second, [id]);
  await showsExactly(first, ids);
});

test("a tab in which another holds the connection can cut it", async () => {
  const room = "cut";
  const [leader, follower] = await openTabs(room, 2);
  await shareOne(room, [leader, follower]);
  await cut(follower, "chat");
  await inState(leader, "chat", "reconnecting");
  const ids = [await the.host.say("while it was down", { room })];
  for (const tab of [leader, follower]) await showsExactly(tab, ids);
});

test("one tab at a time reads the wire", async () => {
  const [first, second] = await openTabs("wire", 2);
  const elsewhere = (page) => page.locator("#wire .elsewhere");
  await first.waitForSelector("#wire .line");
  await elsewhere(second).waitFor();
  await second.getByRole("button", { name: "Read it here" }).click();
  await second.waitForSelector("#wire .line");
  await elsewhere(first).waitFor();
  await elsewhere(second).waitFor({ state: "hidden" });

  // Whoever has it lets go of it when nobody looks.
  await setVisibility(second, "hidden");
  await elsewhere(first).waitFor({ state: "hidden" });
  await first.waitForFunction(() => document.querySelector("#wire .line[data-field=data]"));
  await setVisibility(second, "visible");
  await elsewhere(second).waitFor();
  await first.close();
  await elsewhere(second).waitFor({ state: "hidden" });
});

test("what a leader says and a follower does not hear is asked for", async () => {
  const room = "unheard";
  const visitor = await the.visitor();
  // Drops what it is told to drop, as a browser may that is short of memory.
  await visitor.addInitScript(() => {
    const { postMessage } = BroadcastChannel.prototype;
    BroadcastChannel.prototype.postMessage = function (note) {
      if (!globalThis.drops?.(note)) postMessage.call(this, note);
    };
  });
  const tabs = [];
  for (let tab = 0; tab < 2; tab += 1) {
    const page = await visitor.newPage();
    await page.goto(`/#/chat/${room}`);
    await inState(page, "chat", "live");
    tabs.push(page);
  }
  await shareOne(room, tabs);
  const [leader, follower] = tabs;
  await leader.evaluate(() => {
    globalThis.drops = ({ type, item }) => type === "item" && item.data.includes("lost");
  });
  const ids = [];
  for (const text of ["one", "lost", "lost too", "two", "lost, and the last"]) ids.push(await the.host.say(text, { room }));
  await showsExactly(follower, ids);
  assert.deepEqual(await openStreams(follower), [], "it has asked its leader, and needs no stream of its own");
});
