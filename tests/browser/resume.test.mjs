// The connection breaks, the page goes to the background, or the visitor leaves and comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, eventually, inState, openStreams, setVisibility, showsExactly, suite } from "./suite.mjs";

// Playwright turns the back/forward cache off, which is what one of these tests is about.
const the = suite({ launch: { ignoreDefaultArgs: ["--disable-back-forward-cache"] } });

test("a server that restarts under an open page: every message is shown once", async () => {
  the.letLoadsFail();
  const room = "restart";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  const ids = [];
  for (const text of ["one", "two"]) ids.push(await the.host.say(text, { room }));
  await showsExactly(page, ids);
  await the.host.stop();
  await inState(page, "chat", "reconnecting");
  // The browser has tried once and failed, so from here on the page says when it tries again.
  await page.waitForFunction(() => /in \d+ s/.test(document.querySelector("#chat .state").textContent));
  await the.host.start();
  for (const text of ["three", "four"]) ids.push(await the.host.say(text, { room }));
  await showsExactly(page, ids);
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
  assert.equal(await page.locator(".gap:visible").count(), 0);
});

test("a browser that has given up is brought back", async () => {
  the.letLoadsFail();
  const room = "refused";
  const page = await the.open();
  let isAway = true;
  await page.route(`**/api/chat/${room}*`, (route) =>
    isAway ? route.fulfill({ status: 503, headers: { "Retry-After": "1" }, body: "no" }) : route.continue(),
  );
  const ids = [await the.host.say("after all", { room })];
  await page.evaluate((room) => (location.hash = `#/chat/${room}`), room);
  await page.locator("#chat .state", { hasText: /^the server is not available · reconnecting in \d s$/ }).waitFor();
  isAway = false;
  await inState(page, "chat", "live");
  await showsExactly(page, ids);
});

test("a message whose answer is lost while the stream is down is tried again, and stored once", async () => {
  the.letLoadsFail();
  const room = "once";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  await cut(page, "chat");
  const answers = [];
  await page.route(`**/api/chat/${room}`, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    const response = await route.fetch();
    answers.push([response.status(), response.headers()["idempotent-replayed"]]);
    await (answers.length === 1 ? route.abort() : route.fulfill({ response }));
  });
  await page.locator("[name=text]").fill("once");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#chat .pending li", { hasText: /on its way|stored, not back yet/ }).waitFor();
  await page.locator("#chat .messages li", { hasText: "once" }).waitFor();
  const id = await page.getAttribute("#chat .messages li", "data-id");
  await showsExactly(page, [id, await the.host.say("after", { room })]);
  assert.deepEqual(answers, [[201, undefined], [200, "true"]]);
});

test("a page in the background frees its streams, and coming back resumes", async () => {
  const room = "background";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  const ids = [await the.host.say("seen", { room })];
  await showsExactly(page, ids);
  await setVisibility(page, "hidden");
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "paused");
  assert.deepEqual(await openStreams(page), []);
  for (const text of ["missed", "missed too"]) ids.push(await the.host.say(text, { room }));
  await setVisibility(page, "visible");
  await showsExactly(page, ids);
});

test("who looks away for a moment keeps the connection", async () => {
  const page = await the.open();
  await inState(page, "chat", "live");
  const before = await page.evaluate(() => globalThis.sources.length);
  await setVisibility(page, "hidden");
  await setVisibility(page, "visible");
  await page.waitForTimeout(2_500);
  await inState(page, "chat", "live");
  assert.equal(await page.evaluate(() => globalThis.sources.length), before);
});

test("back from the back/forward cache, the page resumes where it was", async () => {
  const room = "bfcache";
  // A document that is no page has no icon.
  the.letLoadsFail();
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  const ids = [await the.host.say("seen", { room })];
  await showsExactly(page, ids);
  await page.evaluate(() => {
    addEventListener("pageshow", ({ persisted }) => (globalThis.wasKept = persisted));
  });
  await page.goto("/openapi.json");
  ids.push(await the.host.say("missed", { room }));
  // A page that comes from the cache is not loaded, so there is no load to wait for.
  await page.goBack({ waitUntil: "commit" });
  await showsExactly(page, ids);
  assert.equal(await page.evaluate(() => globalThis.wasKept), true, "the page was kept, not loaded anew");
  await eventually("a stream again", async () => (await openStreams(page)).length > 0);
});
