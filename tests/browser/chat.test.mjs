// The chat panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, showsExactly, suite } from "./suite.mjs";

const the = suite();

const field = (page, name) => page.getByRole("textbox", { name, exact: true });

async function say(page, text) {
  await field(page, "Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

test("a room has its URL, its history and its messages", async () => {
  const room = "history";
  const ids = [await the.host.say("one", { room }), await the.host.say("two", { room })];
  const page = await the.open(`#/chat/${room}`);
  await showsExactly(page, ids);
  ids.push(await the.host.say("three", { room }));
  await showsExactly(page, ids);

  await field(page, "Room").fill("elsewhere");
  await page.getByRole("button", { name: "Go" }).click();
  await page.waitForURL("**/#/chat/elsewhere");
  await page.getByText("Nobody has said anything here yet.").waitFor();
  await page.goBack();
  await showsExactly(page, ids);
});

test("a message is pending until it comes back by the stream, and the delay is measured", async () => {
  const page = await the.open("#/chat/pending");
  await inState(page, "chat", "live");
  // The answer is held back, so that what settles the message can only be the stream.
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route("**/api/chat/pending", async (route) => {
    await held;
    await route.continue();
  });
  await say(page, "is this on?");
  await page.locator("#chat .pending li", { hasText: "on its way" }).waitFor();
  assert.equal(await page.locator("#chat .messages li").count(), 0);
  letGo();
  await page.locator("#chat .messages li", { hasText: "is this on?" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  await page.waitForFunction(() => /^\d+ ms$/.test(document.querySelector("[data-stat=delay]").textContent));
});

test("the name is kept", async () => {
  const page = await the.open("#/chat/name");
  await inState(page, "chat", "live");
  await field(page, "Your name").fill("Grace");
  await say(page, "hello");
  await page.locator("#chat .messages bdi", { hasText: "Grace" }).waitFor();
  await page.reload();
  await page.locator("#chat .messages bdi", { hasText: "Grace" }).waitFor();
  assert.equal(await field(page, "Your name").inputValue(), "Grace");
});

test("a POST that failed is tried again with the same key", async () => {
  the.letLoadsFail();
  const page = await the.open("#/chat/retry");
  await inState(page, "chat", "live");
  const keys = [];
  await page.route("**/api/chat/retry", (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    return keys.length === 1 ? route.abort() : route.continue();
  });
  await say(page, "do not lose me");
  await page.locator("#chat .pending li", { hasText: "cannot be reached" }).waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#chat .messages li", { hasText: "do not lose me" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  assert.equal(keys.length, 2);
  assert.match(keys[0], /^[!-~]{1,64}$/);
  assert.equal(keys[0], keys[1]);
});

test("a refusal is said in words at its field", async () => {
  the.letLoadsFail();
  const page = await the.open("#/chat/refusal");
  await inState(page, "chat", "live");
  await say(page, "x".repeat(2_001));
  const text = field(page, "Message");
  await page.waitForSelector("textarea[name=text][aria-invalid]");
  assert.match(await page.textContent("#text-note"), /2000/);
  assert.equal((await text.inputValue()).length, 2_001);

  await field(page, "Your name").evaluate((input) => input.removeAttribute("maxlength"));
  await field(page, "Your name").fill("n".repeat(41));
  await say(page, "hello");
  await page.waitForSelector("input[name=user][aria-invalid]");
  assert.match(await page.textContent("#user-note"), /40/);
});

test("what is no room is refused in words, and the feed stays where it was", async () => {
  const page = await the.open("#/chat/lobby");
  await inState(page, "chat", "live");
  await field(page, "Room").fill("No Room!");
  await page.keyboard.press("Enter");
  await page.waitForSelector("input[name=room][aria-invalid]");
  assert.match(await page.textContent("#room-note"), /1 to 64 small letters/);
  await inState(page, "chat", "live");
});

test("screen readers hear new messages, and not the history", async () => {
  const room = "heard";
  await the.host.say("of old", { room });
  const page = await the.open(`#/chat/${room}`);
  await page.locator("#chat .messages li").waitFor();
  assert.equal(await page.textContent("#chat [aria-live=polite]"), "");
  await the.host.say("news", { room });
  await page.waitForFunction(() => document.querySelector("#chat [aria-live=polite]").textContent === "ada: news");
});

test("an entry that is no longer kept is told as a gap", async () => {
  const page = await the.open();
  await page.route("**/api/chat/gone*", (route) =>
    route.fulfill({
      contentType: "text/event-stream",
      body:
        'retry: 60000\nevent: gap\nid: 6\ndata: {"reason":"expired","requested":"1","resumes_after":"6"}\n\n' +
        'id: 7\ndata: {"id":"7","room":"gone","user":"ada","text":"after","time":"2026-11-22T10:00:00.000Z"}\n\n',
    }),
  );
  await page.evaluate(() => (location.hash = "#/chat/gone"));
  await page.locator("#chat .gap", { hasText: "no longer kept" }).waitFor();
  await showsExactly(page, ["7"]);
});
