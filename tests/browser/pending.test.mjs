// The messages of the chat panel that are on their way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "./client.mjs";
import { cut, field, inState, say, shownIds, showsExactly, signIn, suite } from "./suite.mjs";
import { token } from "./token.mjs";

const the = suite();

const answerToPost = (page) => page.waitForResponse((answer) => answer.request().method() === "POST");

test("a message is pending until it comes back by the stream, whatever its POST says, and the delay is measured", async () => {
  const room = "pending";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  // The answer is held back, so that what settles the message can only be the stream.
  const answer = Promise.withResolvers();
  await page.route(`**/api/chat/${room}`, async (route) => {
    const response = await route.fetch();
    await answer.promise;
    await route.fulfill({ response });
  });
  await say(page, "is this on?");
  await page.locator("#chat .messages li", { hasText: "is this on?" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  assert.match(await page.textContent("[data-stat=delay]"), /^\d+ ms$/);
  const answered = page.waitForResponse(`**/api/chat/${room}`);
  answer.resolve();
  await answered;
  await showsExactly(page, await shownIds(page));
  assert.equal(await page.locator("#chat .messages li").count(), 1);
  assert.equal(await page.locator("#chat .pending li").count(), 0);
});

test("a message that is stored while the stream is cut is pending until the resume", async () => {
  const room = "cut";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  await cut(page, "chat");
  const answered = answerToPost(page);
  await say(page, "into the dark");
  assert.equal((await answered).status(), 201);
  const pending = page.locator("#chat .pending li");
  await page.waitForTimeout(500);
  assert.equal(await page.getAttribute("#chat", "data-state"), "reconnecting");
  assert.match(await pending.textContent(), /into the dark.*stored, not back yet/);
  assert.equal(await page.locator("#chat .messages li").count(), 0);
  await inState(page, "chat", "live");
  await page.locator("#chat .messages li", { hasText: "into the dark" }).waitFor();
  assert.equal(await pending.count(), 0);
});

test("what is stored is not pending any more once its room has been left", async () => {
  const room = "left";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  const answer = Promise.withResolvers();
  await page.route(`**/api/chat/${room}`, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    const response = await route.fetch();
    await answer.promise;
    await route.fulfill({ response });
  });
  // It does not come back by the stream, which has gone before it is posted.
  await cut(page, "chat");
  const answered = answerToPost(page);
  await say(page, "answered later");
  await page.evaluate(() => (location.hash = "#/chat/elsewhere"));
  answer.resolve();
  await answered;
  for (let count = 0; count < 51; count += 1) await the.host.say(`newer ${count}`, { room });
  await page.evaluate((room) => (location.hash = `#/chat/${room}`), room);
  await page.locator("#chat .messages li", { hasText: "newer 50" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
});

test("what is stored and fell into a gap is not pending any more", async () => {
  const room = "swallowed";
  const given = [
    'retry: 1500\nid: 5\nevent: cursor\ndata: {"cursor":"5"}\n\n',
    'retry: 60000\nid: 20\nevent: gap\ndata: {"reason":"expired","requested":"5","resumes_after":"20"}\n\n',
  ];
  const visitor = await the.visitor();
  await visitor.route(`**/api/chat/${room}*`, (route) =>
    route.request().method() === "POST"
      ? route.fulfill({ status: 201, json: { id: "9", room, user: "ada", text: "lost", time: "2026-11-22T10:00:00.000Z" } })
      : route.fulfill(stream(given.shift())),
  );
  const page = await visitor.newPage();
  await page.goto(`/#/chat/${room}`);
  const answered = answerToPost(page);
  await say(page, "lost");
  await answered;
  await page.locator("#chat .gap", { hasText: "no longer kept" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
});

test("who may speak and not listen is told that a message is stored", async () => {
  the.letLoadsFail();
  const visitor = await the.visitor();
  await signIn(visitor, token({ subscribe: [], publish: ["chat/*"] }), the.host.base);
  const page = await visitor.newPage();
  await page.goto("/#/chat/deaf");
  await inState(page, "chat", "closed");
  await say(page, "can you hear me?");
  await page.locator("#chat .pending li", { hasText: "stored, not back yet" }).waitFor();
});

test("a message is not taken for one that said the same long before", async () => {
  the.letLoadsFail();
  const room = "again";
  const id = await the.host.say("ok", { room });
  const page = await the.open("#/chat/elsewhere");
  await field(page, "Your name").fill("ada");
  // Longer than two clocks may differ.
  await page.waitForTimeout(2_500);
  const [open, fail] = [Promise.withResolvers(), Promise.withResolvers()];
  await page.route(`**/api/chat/${room}*`, async (route) => {
    const isPost = route.request().method() === "POST";
    await (isPost ? fail : open).promise;
    await (isPost ? route.abort() : route.continue());
  });
  await page.evaluate((room) => (location.hash = `#/chat/${room}`), room);
  await say(page, "ok");
  open.resolve();
  await showsExactly(page, [id]);
  fail.resolve();
  await page.locator("#chat .pending li", { hasText: "cannot be reached" }).waitFor();
});

test("an answer that is lost after the message was stored is no failure", async () => {
  the.letLoadsFail();
  const room = "lost";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  await page.route(`**/api/chat/${room}`, async (route) => {
    await route.fetch();
    await page.locator("#chat .messages li").waitFor();
    await route.abort();
  });
  const failed = page.waitForEvent("requestfailed");
  await say(page, "stored all the same");
  await failed;
  await page.waitForTimeout(200);
  assert.equal(await page.locator("#chat .messages li", { hasText: "stored all the same" }).count(), 1);
  assert.equal(await page.locator("#chat .pending li, #chat [aria-invalid]").count(), 0);
  assert.doesNotMatch(await page.textContent("#chat [aria-live]"), /cannot be reached/);
});

test("messages keep their order, however long the answer to one of them takes", async () => {
  const room = "order";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  let count = 0;
  await page.route(`**/api/chat/${room}`, async (route) => {
    count += 1;
    if (count === 1) await new Promise((resolve) => setTimeout(resolve, 700));
    await route.continue();
  });
  for (const text of ["one", "two", "three"]) await say(page, text);
  await page.locator("#chat .messages li", { hasText: "three" }).waitFor();
  assert.deepEqual(await page.locator("#chat .messages .text").allTextContents(), ["one", "two", "three"]);
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
  assert.equal(await page.locator("#chat [aria-invalid]").count(), 0, "no field is at fault");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#chat .messages li", { hasText: "do not lose me" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  assert.equal(keys.length, 2);
  assert.match(keys[0], /^[!-~]{1,64}$/);
  assert.equal(keys[0], keys[1]);
});

test("nobody is said to be silent above a message that is on its way", async () => {
  const page = await the.open("#/chat/silence");
  await page.getByText("Nobody has said anything here yet.").waitFor();
  await page.route("**/api/chat/silence", () => {});
  await say(page, "but I do");
  await page.locator("#chat .pending li").waitFor();
  assert.equal(await page.getByText("Nobody has said anything here yet.").isVisible(), false);
});
