// The chat panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "./client.mjs";
import { inState, shownIds, showsExactly, signIn, suite } from "./suite.mjs";
import { token } from "./token.mjs";

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

test("a message is pending until it comes back by the stream, whatever its POST says, and the delay is measured", async () => {
  const room = "pending";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  // The answer is held back, so that what settles the message can only be the stream.
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route(`**/api/chat/${room}`, async (route) => {
    const response = await route.fetch();
    await held;
    await route.fulfill({ response });
  });
  await say(page, "is this on?");
  await page.locator("#chat .messages li", { hasText: "is this on?" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  assert.match(await page.textContent("[data-stat=delay]"), /^\d+ ms$/);
  const answered = page.waitForResponse(`**/api/chat/${room}`);
  letGo();
  await answered;
  await showsExactly(page, await shownIds(page));
  assert.equal(await page.locator("#chat .messages li").count(), 1);
  assert.equal(await page.locator("#chat .pending li").count(), 0);
});

test("a message that is stored while the stream is cut is pending until the resume", async () => {
  const room = "cut";
  const page = await the.open(`#/chat/${room}`);
  await inState(page, "chat", "live");
  await page.selectOption("#wire select", "chat");
  await page.getByRole("button", { name: "Cut for 5 s" }).click();
  await inState(page, "chat", "reconnecting");
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
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
  await page.selectOption("#wire select", "chat");
  await page.getByRole("button", { name: "Cut for 5 s" }).click();
  await inState(page, "chat", "reconnecting");
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
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
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
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

test("an Enter that an input method takes sends nothing", async () => {
  const page = await the.open("#/chat/method");
  await inState(page, "chat", "live");
  const text = field(page, "Message");
  await text.fill("ni hao");
  for (const taken of [{ isComposing: true }, { keyCode: 229 }]) {
    await text.dispatchEvent("keydown", { key: "Enter", cancelable: true, ...taken });
    assert.equal(await text.inputValue(), "ni hao");
  }
  await text.press("Enter");
  await page.locator("#chat .messages li", { hasText: "ni hao" }).waitFor();
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
  assert.equal(await page.locator("#chat [aria-invalid]").count(), 0, "no field is at fault");
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

test("a link to what is no room says so, and leads to the lobby", async () => {
  const id = await the.host.say("you are in the lobby");
  const page = await the.open("#/chat/No%20Room!");
  await page.locator(`#chat .messages li[data-id="${id}"]`).waitFor();
  assert.match(await page.textContent("#room-note"), /1 to 64 small letters/);
});

test("the link to the chat keeps the room, and a URL without one is the lobby", async () => {
  const id = await the.host.say("you are in the lobby again");
  const page = await the.open("#/chat/elsewhere");
  await page.getByRole("link", { name: "Stock", exact: true }).click();
  await page.getByRole("link", { name: "Chat", exact: true }).click();
  await page.waitForURL("**/#/chat/elsewhere");
  await page.evaluate(() => (location.hash = "#/chat"));
  await page.locator(`#chat .messages li[data-id="${id}"]`).waitFor();
  assert.equal(await field(page, "Room").inputValue(), "lobby");
});

test("nobody is said to be silent above a message that is on its way", async () => {
  const page = await the.open("#/chat/silence");
  await page.getByText("Nobody has said anything here yet.").waitFor();
  await page.route("**/api/chat/silence", () => {});
  await say(page, "but I do");
  await page.locator("#chat .pending li").waitFor();
  assert.equal(await page.getByText("Nobody has said anything here yet.").isVisible(), false);
});

for (const [what, ahead] of [["the server's", 0], ["an hour ahead", 3_600_000], ["an hour behind", -3_600_000]]) {
  test(`screen readers hear each new message, and not the history: the clock is ${what}`, async () => {
    const room = `heard-${ahead}`;
    await the.host.say("of old", { room });
    const visitor = await the.visitor();
    await visitor.addInitScript((ahead) => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + ahead;
    }, ahead);
    const page = await visitor.newPage();
    await page.goto(`/#/chat/${room}`);
    await page.locator("#chat .messages li").waitFor();
    await page.waitForSelector("#events .tick");
    const heard = () => page.locator("#chat [aria-live=polite] p").allTextContents();
    assert.deepEqual(await heard(), []);
    for (const text of ["one", "two"]) await the.host.say(text, { room });
    await page.locator("#chat .messages li", { hasText: "two" }).waitFor();
    assert.deepEqual(await heard(), ["ada: one", "ada: two"]);
    let id;
    for (let count = 3; count < 20; count += 1) id = await the.host.say(`${count}`, { room });
    await page.locator(`#chat .messages li[data-id="${id}"]`).waitFor();
    assert.deepEqual((await heard()).slice(-2), ["ada: 18", "ada: 19"]);
    assert.ok((await heard()).length < 10, "what was heard does not pile up");
  });
}

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
