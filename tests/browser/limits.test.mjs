// A sender who is too fast, a server that is full, and one that is locked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually, inState, shownIds, suite } from "./suite.mjs";
import { token } from "./token.mjs";

describe("one message a second", () => {
  const the = suite({ vars: { POST_RATE: "1", POST_BURST: "1" } });

  async function say(page, text) {
    await page.locator("[name=text]").fill(text);
    await page.keyboard.press("Enter");
  }

  test("what is too fast counts down, is sent by itself, once and in order", async () => {
    the.letLoadsFail();
    const page = await the.open("#/chat/fast");
    await inState(page, "chat", "live");
    const statuses = [];
    page.on("response", (answer) => answer.request().method() === "POST" && statuses.push(answer.status()));
    for (const text of ["one", "two", "three"]) await say(page, text);
    const waiting = page.locator("#chat .pending li", { hasText: /too many posts.* · again in \d+ s/ }).first();
    await waiting.waitFor();
    assert.equal(await waiting.getByRole("button", { name: "Try again" }).count(), 0);
    await page.locator("#chat [aria-live] p", { hasText: "too many posts" }).first().waitFor({ state: "attached" });
    assert.equal(await page.locator("#chat [aria-invalid]").count(), 0, "no field is at fault");
    await page.locator("#chat .messages li", { hasText: "three" }).waitFor();
    assert.deepEqual(await page.locator("#chat .messages .text").allTextContents(), ["one", "two", "three"]);
    assert.equal(await page.locator("#chat .pending li").count(), 0);
    assert.deepEqual(statuses.filter((status) => status === 201).length, 3);
    assert.ok(statuses.includes(429), `${statuses}`);
  });

  test("who does not want to wait discards it, and the button keeps the focus while it counts", async () => {
    the.letLoadsFail();
    const page = await the.open("#/chat/elsewhere");
    await inState(page, "chat", "live");
    let letGo;
    const held = new Promise((resolve) => (letGo = resolve));
    await page.route("**/api/chat/elsewhere", (route) => held.then(() => route.abort()));
    await say(page, "held");
    await page.evaluate(() => (location.hash = "#/chat/discarded"));
    await inState(page, "chat", "live");
    // As AWS answers where all processes are taken.
    await page.route("**/api/chat/discarded", (route) =>
      route.fulfill({ status: 429, headers: { "Retry-After": "60" }, body: "Rate Exceeded." }),
    );
    await say(page, "never mind");
    const line = page.locator("#chat .pending li", { hasText: "never mind" });
    await line.getByText(/^The server refused this \(429\)\. · again in \d+ s$/).waitFor();
    const discard = line.getByRole("button", { name: "Discard" });
    await discard.focus();
    const counted = await line.locator("small").textContent();
    await eventually("it counts down", async () => (await line.locator("small").textContent()) !== counted);
    const failed = page.waitForEvent("requestfailed");
    letGo();
    await failed;
    await page.waitForTimeout(100);
    assert.equal(await discard.evaluate((button) => button === document.activeElement), true);
    await page.keyboard.press("Enter");
    await line.waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.name), "text");
    await page.unroute("**/api/chat/discarded");
    await say(page, "something else");
    await page.locator("#chat .messages li", { hasText: "something else" }).waitFor();
    assert.equal((await shownIds(page)).length, 1);
  });
});

describe("one stream for each sender", () => {
  // A function is not told that a reader left: it counts a stream for as long as it may live.
  const life = process.env.SSEDGE_HOST === "lambda" ? { STREAM_SECS: "20" } : {};
  const the = suite({ vars: { STREAMS_PER_SENDER: "1", ...life } });

  test("streams that the server has no room for say so, and one comes in when there is some", async () => {
    const { body } = await fetch(`${the.host.base}/api/chat/held`);
    // A response that nobody refers to is given up when memory is tidied.
    const held = body.getReader();
    const page = await the.open();
    for (const panel of ["stock", "chat", "events"]) {
      await page.locator(`#${panel} .state`, { hasText: /^the server is full · reconnecting in \d+ s$/ }).waitFor();
    }
    await held.cancel();
    // The wire wants the one place, too, and shows data once it has it.
    const live = page.locator("section[data-state=live]");
    const wire = page.locator("#wire .line[data-field=data]");
    await eventually("one of them comes in", async () => (await live.count()) + Math.min(await wire.count(), 1) === 1);
  });
});

describe("nothing without a token", () => {
  const the = suite({ vars: { ANONYMOUS: "" } });

  test("a deployment that is locked says so, and opens to who has a token", async () => {
    the.letLoadsFail();
    const page = await the.open("#/chat/locked");
    for (const [panel, channel] of [["stock", "stock"], ["chat", "chat/locked"], ["events", "events"]]) {
      await page.locator(`#${panel} .refused`, { hasText: `no grant to subscribe ${channel}` }).waitFor();
    }
    await page.locator("#token-button").click();
    await page.locator("#token-field").fill(token({ sub: "ada" }));
    await page.keyboard.press("Enter");
    for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
    await page.locator("[name=text]").fill("let in");
    await page.keyboard.press("Enter");
    await page.locator("#chat .messages li", { hasText: "let in" }).waitFor();
  });
});
