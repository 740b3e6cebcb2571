// The wire panel: the raw lines of a stream.
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginCut, suite } from "./suite.mjs";

const the = suite({ vars: { HEARTBEAT_SECS: "1" } });

const lines = (page) => page.$$eval("#wire .line", (lines) => lines.map((line) => line.textContent));

test("every line is shown as it came, retry and heartbeats too", async () => {
  const room = "raw";
  const page = await the.open(`#/chat/${room}`);
  await page.selectOption("#wire select", "chat");
  const id = await the.host.say("  <b>hi</b>", { room });
  await page.waitForFunction((id) => document.querySelector("#wire").textContent.includes(`id: ${id}`), id);
  await page.waitForFunction(() => {
    const shown = [...document.querySelectorAll("#wire .line")].map((line) => line.textContent);
    return shown.filter((line) => line === "event: cursor").length >= 2;
  });
  const shown = await lines(page);
  assert.match(shown[0], /^GET \/api\/chat\/raw/);
  assert.match(shown[1], /^retry: \d+$/);
  assert.equal(shown[2], "event: cursor");
  assert.match(shown[3], /^id: \d+$/);
  assert.match(shown[4], /^data: \{"cursor":"\d+","heartbeat_secs":1\}$/);
  assert.equal(shown[5], "");
  const data = shown.find((line) => line.startsWith(`data: {"id":"${id}"`));
  assert.match(data, /"text":"<b>hi<\/b>"/);
  assert.equal(await page.textContent("[data-stat=cursor]"), id);
});

test("the cursor is where a whole block has left it, and what was cut is shown", async () => {
  const room = "blocks";
  const page = await the.open();
  const cursors = [];
  await page.route(`**/api/chat/${room}*`, (route) => {
    const headers = route.request().headers();
    if (headers.accept !== "text/event-stream" || route.request().resourceType() !== "fetch") return route.continue();
    cursors.push(headers["last-event-id"]);
    const body = ': a comment\nretry: 100\nid:  7\ndata: whole\n\nid: 8\ndata: in tw';
    return cursors.length === 1 ? route.fulfill({ contentType: "text/event-stream", body }) : route.abort();
  });
  the.letLoadsFail();
  await page.evaluate((room) => (location.hash = `#/chat/${room}`), room);
  await page.selectOption("#wire select", "chat");
  await page.waitForFunction(() => [...document.querySelectorAll("#wire .line")].some((line) => line.textContent === "data: in tw"));
  assert.equal(await page.textContent("#wire .line[data-kind=comment]"), ": a comment");
  await page.waitForFunction(() => document.querySelectorAll("#wire .line[data-kind=request]").length >= 3);
  const requests = (await lines(page)).filter((line) => line.startsWith("GET "));
  // One space belongs to the colon; a second is the id's own.
  for (const request of requests.slice(1)) assert.match(request, /Last-Event-ID: {2}7$/);
  assert.deepEqual(cursors.slice(1, 3), ["7", "7"]);
});

test("what is no stream is shown with its status and its body, and asked for more and more seldom", async () => {
  the.letLoadsFail();
  const visitor = await the.visitor();
  // The longest of all random pauses.
  await visitor.addInitScript(() => (Math.random = () => 0.999));
  const page = await visitor.newPage();
  await page.goto("/");
  let asked = 0;
  await page.route("**/api/chat/broken*", (route) => {
    if (route.request().resourceType() !== "fetch") return route.continue();
    asked += 1;
    const refusal = asked === 1 ? { status: 503, headers: { "Retry-After": "1" } } : { status: 500 };
    return route.fulfill({ ...refusal, body: "out of\norder" });
  });
  await page.evaluate(() => (location.hash = "#/chat/broken"));
  await page.selectOption("#wire select", "chat");
  const ends = () => page.$$eval("#wire .line[data-kind=end]", (lines) => lines.map((line) => line.textContent));
  await page.waitForFunction(() => document.querySelectorAll("#wire .line[data-kind=request]").length >= 4);
  const shown = await lines(page);
  assert.match(shown[0], /^GET /);
  assert.deepEqual(shown.slice(1, 4), ["HTTP 503", "out of", "order"]);
  const pauses = (await ends()).flatMap((line) => line.match(/reconnecting in ([\d.]+) s/)?.slice(1).map(Number) ?? []);
  // A quarter more than the server asked for, and then pauses that double.
  assert.deepEqual(pauses.slice(0, 3), [1.2, 1, 2]);
});

test("a cut is followed by the resume, which finds everything", async () => {
  const room = "cut";
  const page = await the.open(`#/chat/${room}`);
  await page.selectOption("#wire select", "chat");
  const id = await the.host.say("one", { room });
  await page.waitForFunction((id) => document.querySelector("#wire").textContent.includes(`id: ${id}`), id);
  // The page comes back after 5 s, or later: once there is something to find.
  const { promise: said, resolve: goOn } = Promise.withResolvers();
  await page.route("**/api/chat/**", (route) => said.then(() => route.continue()));
  await beginCut(page, "chat");
  for (const text of ["two", "three"]) await the.host.say(text, { room });
  goOn();
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
