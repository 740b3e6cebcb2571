// The wire panel: the raw lines of a stream.
import assert from "node:assert/strict";
import { test } from "node:test";
import { suite } from "./suite.mjs";

const the = suite({ vars: { HEARTBEAT_SECS: "1" } });

const lines = (page) => page.$$eval("#wire .line", (lines) => lines.map((line) => line.textContent));

test("every line is shown as it came, comments and retry too", async () => {
  const room = "raw";
  const page = await the.open(`#/chat/${room}`);
  await page.selectOption("#wire select", "chat");
  const id = await the.host.say("  <b>hi</b>", { room });
  await page.waitForFunction((id) => document.querySelector("#wire").textContent.includes(`id: ${id}`), id);
  await page.waitForSelector("#wire .line[data-kind=comment]");
  const shown = await lines(page);
  assert.match(shown[0], /^GET \/api\/chat\/raw/);
  assert.match(shown[1], /^retry: \d+$/);
  assert.equal(shown[2], "event: cursor");
  assert.match(shown[3], /^id: \d+$/);
  assert.match(shown[4], /^data: \{"cursor":"\d+"\}$/);
  assert.equal(shown[5], "");
  assert.ok(shown.includes(":"), "a heartbeat");
  const data = shown.find((line) => line.startsWith(`data: {"id":"${id}"`));
  assert.match(data, /"text":"<b>hi<\/b>"/);
  assert.equal(await page.textContent("[data-stat=cursor]"), id);
});

test("a cut is followed by the resume, which finds everything", async () => {
  const room = "cut";
  const page = await the.open(`#/chat/${room}`);
  await page.selectOption("#wire select", "chat");
  const id = await the.host.say("one", { room });
  await page.waitForFunction((id) => document.querySelector("#wire").textContent.includes(`id: ${id}`), id);
  await page.getByRole("button", { name: "Cut for 5 s" }).click();
  await page.waitForSelector("#chat[data-state=reconnecting]");
  for (const text of ["two", "three"]) await the.host.say(text, { room });
  await page.waitForSelector("#chat[data-state=live]");
  await page.waitForFunction(() => document.querySelector("[data-stat=found]").textContent === "2 entries");
  await page.waitForFunction(() => document.querySelector("[data-stat=reconnects]").textContent === "1");
  const shown = await lines(page);
  assert.ok(shown.some((line) => line.startsWith("GET ") && line.endsWith(`Last-Event-ID: ${id}`)), shown.join("\n"));
  assert.ok(shown.some((line) => line.includes('"text":"three"')));
});

test("the panel stands still while it is held, and loses nothing by it", async () => {
  const page = await the.open();
  await page.waitForSelector("#wire .line[data-field=data]");
  await page.getByRole("button", { name: "Hold" }).click();
  await page.waitForTimeout(50);
  const held = await lines(page);
  const cursor = await page.textContent("[data-stat=cursor]");
  await page.waitForFunction((cursor) => document.querySelector("[data-stat=cursor]").textContent !== cursor, cursor);
  assert.deepEqual(await lines(page), held);
  const now = await page.textContent("[data-stat=cursor]");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForFunction((id) => document.querySelector("#wire .lines").textContent.includes(`id: ${id}`), now);
});

test("the connections are counted, and are fewer than a browser has", async () => {
  const page = await the.open();
  await page.waitForFunction(() => document.querySelector("[data-stat=connections]").textContent === "4 of 6");
});
