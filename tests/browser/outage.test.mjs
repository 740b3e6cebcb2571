// What a page tells of a connection that breaks, and how soon it is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, say, showsExactly, suite } from "./suite.mjs";

const PANELS = ["stock", "chat", "events"];
/** A reconnect that is over sooner is not told. */
const QUIET_MS = 2_500;

const the = suite({ vars: { STREAM_SECS: "2" } });

test("a planned end is not told as an outage", async () => {
  const visitor = await the.visitor();
  // When each stream was live or broke, and what its panel said then.
  await visitor.addInitScript(() => {
    globalThis.told = [];
    addEventListener("DOMContentLoaded", () => {
      for (const panel of document.querySelectorAll("#stock, #chat, #events")) {
        const tell = () => globalThis.told.push([panel.id, panel.dataset.state, performance.now()]);
        new MutationObserver(tell).observe(panel, { attributeFilter: ["data-state"] });
      }
    });
    const Source = globalThis.EventSource;
    globalThis.EventSource = class extends Source {
      constructor(url, ...more) {
        super(url, ...more);
        const [, panel] = /api\/(\w+)/.exec(url);
        for (const [type, what] of [["error", "broken"], ["cursor", "back"]]) {
          this.addEventListener(type, () => globalThis.told.push([panel, what, performance.now()]));
        }
      }
    };
  });
  const page = await visitor.newPage();
  await page.goto("/#/chat/planned");
  for (const panel of PANELS) await inState(page, panel, "live");
  await page.waitForFunction(
    (panels) => panels.every((panel) => globalThis.told.filter(([name, what]) => name === panel && what === "back").length > 3),
    PANELS,
  );
  const told = await page.evaluate(() => globalThis.told);
  for (const panel of PANELS) {
    const own = told.filter(([name]) => name === panel);
    const first = own.findIndex(([, what]) => what === "live");
    for (const [at, [, what, when]] of own.entries()) {
      if (at <= first || what !== "reconnecting") continue;
      const [, , broken] = own.slice(0, at).findLast(([, what]) => what === "broken");
      assert.ok(when - broken >= QUIET_MS - 100, `${panel} told it after ${when - broken} ms`);
    }
    assert.ok(own.some(([, what]) => what === "broken"), "streams ended");
  }
});

test("one feed that is back ends the pauses of the others, and a pause can be ended by hand", async () => {
  the.letLoadsFail();
  const visitor = await the.visitor();
  await visitor.clock.install();
  const page = await visitor.newPage();
  let isAway = false;
  await page.route(/\/api\/(stock|chat|events)/, (route) => (isAway ? route.abort() : route.continue()));
  await page.goto("/#/chat/hurried");
  for (const panel of PANELS) await inState(page, panel, "live");
  isAway = true;
  for (const panel of PANELS) await page.locator(`#${panel} .now`).waitFor();
  // From here on time stands still unless this test says so, and no pause ends by itself.
  await visitor.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000));
  const left = async (panel) => {
    const text = await page.locator(`#${panel} .state`, { hasText: "reconnecting in" }).textContent();
    return Number(/in (\d+) s/.exec(text)[1]);
  };
  while (Math.min(...(await Promise.all(PANELS.map(left)))) < 2) await visitor.clock.runFor(1_000);
  const opened = () => page.evaluate(() => globalThis.sources.length);
  const before = await opened();
  isAway = false;
  await page.locator("#chat").getByRole("button", { name: "Reconnect now" }).click();
  await visitor.clock.runFor(1);
  for (const panel of PANELS) await inState(page, panel, "live");
  assert.equal(await opened(), before + PANELS.length, "one attempt for each feed");
  assert.equal(await page.locator(".now:visible").count(), 0);
});

test("a message that failed for want of a server is sent again by itself when a feed is live", async () => {
  the.letLoadsFail();
  const room = "sent-again";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  let isAway = true;
  const keys = new Set();
  await page.route(`**/api/**`, (route) => {
    const request = route.request();
    if (request.method() === "POST") keys.add(request.headers()["idempotency-key"]);
    return isAway ? route.abort() : route.continue();
  });
  await say(page, "do not lose me");
  await page.locator("#chat .pending li", { hasText: "cannot be reached" }).waitFor();
  for (const panel of PANELS) await inState(page, panel, "reconnecting");
  isAway = false;
  await page.locator("#chat .messages li", { hasText: "do not lose me" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  await showsExactly(page, await page.$$eval("#chat .messages li", (lines) => [lines[0].dataset.id]));
  assert.equal(keys.size, 1);
});
