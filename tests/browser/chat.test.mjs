// The chat panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, field, inState, say, showsExactly, suite } from "./suite.mjs";

const the = suite();

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

test("the newest message stays in view when the list shrinks, unless its reader has scrolled back", async () => {
  const room = "shrinks";
  for (let count = 0; count < 30; count += 1) await the.host.say(`message ${count}`, { room });
  const page = await the.open(`#/chat/${room}`);
  const [first, last] = ["message 0", "message 29"].map((text) => page.getByText(text, { exact: true }));
  const isInView = (line) => line.evaluate((line) => {
    const [inner, outer] = [line, line.closest(".scroller")].map((element) => element.getBoundingClientRect());
    return inner.bottom <= outer.bottom + 1 && inner.top >= outer.top - 1;
  });
  const resize = (height) => page.evaluate((height) => {
    Object.assign(document.querySelector("#chat").style, { height, minHeight: "0" });
  }, height);
  await last.waitFor();
  await eventually("it is scrolled to the end", () => isInView(last));
  await resize("20rem");
  await eventually("the end is in view again", () => isInView(last));
  const scroller = page.locator("#chat .scroller");
  await scroller.evaluate((list) => (list.scrollTop = 0));
  await eventually("the beginning is in view", () => isInView(first));
  const before = await scroller.evaluate((list) => list.clientHeight);
  await resize("24rem");
  await page.waitForFunction((before) => document.querySelector("#chat .scroller").clientHeight !== before, before);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.equal(await scroller.evaluate((list) => list.scrollTop), 0);
});
