// The token of the page: who speaks, what is refused, and what happens when it ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginCut, field, inState, openStreams, say, showsExactly, signIn, suite } from "./suite.mjs";
import { endingToken, now, token } from "./token.mjs";

const the = suite();

const PANELS = ["stock", "chat", "events"];

async function enterToken(page, text) {
  await page.getByRole("button", { name: /^Token/ }).click();
  await page.locator("#token-field").fill(text);
  await page.keyboard.press("Enter");
}

test("who has a token speaks by its name, until it is forgotten", async () => {
  const page = await the.open("#/chat/token");
  await inState(page, "chat", "live");
  await field(page, "Your name").fill("Grace");
  await say(page, "by my own name");
  await enterToken(page, token({ sub: "ada" }));
  await page.getByRole("button", { name: "Token: ada" }).waitFor();
  await inState(page, "chat", "live");
  assert.equal(await field(page, "Your name").inputValue(), "ada");
  assert.equal(await field(page, "Your name").isEditable(), false);
  await say(page, "by the token's");
  await page.locator("#chat .messages li", { hasText: "by the token's" }).waitFor();
  assert.deepEqual(await page.locator("#chat .messages bdi").allTextContents(), ["Grace", "ada"]);

  await page.getByRole("button", { name: "Token: ada" }).click();
  await page.getByText(/^The token of ada, until /).waitFor();
  await page.getByRole("button", { name: "Forget it" }).click();
  await page.getByRole("button", { name: "Token", exact: true }).waitFor();
  assert.equal(await field(page, "Your name").inputValue(), "Grace");
  assert.deepEqual(await page.context().cookies(), []);
});

test("the token is kept in a cookie of this site alone, and is in no URL", async () => {
  const page = await the.open();
  const urls = [];
  page.on("request", (request) => urls.push(request.url()));
  const text = token({ sub: "ada" });
  await enterToken(page, text);
  await page.getByRole("button", { name: "Token: ada" }).waitFor();
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
  const [{ name, value, path, sameSite, expires }] = await page.context().cookies();
  assert.deepEqual([name, value, path, sameSite, expires], ["ssedge_token", text, "/", "Strict", -1]);
  assert.ok(urls.length >= 3, "the streams are asked for anew");
  assert.deepEqual(urls.filter((url) => url.includes(text.split(".")[1])), []);
  await page.reload();
  await page.getByRole("button", { name: "Token: ada" }).waitFor();
});

test("what is no token is refused at its field, and changes nothing", async () => {
  const page = await the.open("", { viewport: { width: 360, height: 740 } });
  await inState(page, "chat", "live");
  await enterToken(page, "no; token");
  await page.getByText("There is none: you may do what anybody may.").waitFor();
  await page.locator("#token-note", { hasText: "three parts" }).waitFor();
  await page.locator("#token-field").fill(token({ more: "a".repeat(4_500) }));
  await page.keyboard.press("Enter");
  await page.locator("#token-note", { hasText: "did not keep it" }).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await inState(page, "chat", "live");
});

for (const [what, before] of [["no token", undefined], ["a good token", token({ sub: "ada" })]]) {
  test(`a token that is refused says why once, at its field, and ends no feed: before it was ${what}`, async () => {
    the.letLoadsFail();
    const room = `refused-${before ? "ada" : "guest"}`;
    const page = await the.open(`#/chat/${room}`);
    if (before) await enterToken(page, before);
    await page.getByRole("button", { name: before ? "Token: ada" : "Token", exact: true }).waitFor();
    for (const panel of PANELS) await inState(page, panel, "live");
    const button = await page.locator("#token-button").textContent();
    const streams = await page.evaluate(() => globalThis.sources.length);
    const forged = token({ sub: "eve" }).replace(/.{8}$/, "AAAAAAAA");
    for (const [bad, why] of [[token({ exp: now() - 3_600 }), "it has expired"], [forged, "the token is refused"]]) {
      await enterToken(page, bad);
      await page.locator("#token-note", { hasText: why }).waitFor();
      assert.equal(await page.getByText("the token is refused").count(), 1);
      await page.keyboard.press("Escape");
    }
    assert.equal(await page.locator("#token-button").textContent(), button);
    assert.equal((await page.context().cookies())[0]?.value, before);
    await showsExactly(page, [await the.host.say("still here", { room })]);
    for (const panel of PANELS) await inState(page, panel, "live");
    assert.equal(await page.evaluate(() => globalThis.sources.length), streams, "no stream was opened anew");
  });
}

test("a token that cannot be asked about is kept in its field, to be tried again", async () => {
  the.letLoadsFail();
  const page = await the.open();
  for (const panel of PANELS) await inState(page, panel, "live");
  await page.route("**/api/stock", (route) => route.abort(), { times: 1 });
  await enterToken(page, token({ sub: "ada" }));
  await page.locator("#token-note", { hasText: "cannot be reached" }).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Token: ada" }).waitFor();
  for (const panel of PANELS) await inState(page, panel, "live");
});

test("a cookie that is refused says why once, and the feeds go on at their cursors once it is gone", async () => {
  the.letLoadsFail();
  const room = "refused";
  const ids = [await the.host.say("one", { room })];
  const page = await the.open(`#/chat/${room}`);
  await showsExactly(page, ids);
  await page.selectOption("#wire select", "chat");
  // As a site does that has given a token which has ended meanwhile.
  await signIn(page.context(), token({ sub: "ada", exp: now() - 3_600 }), the.host.base);
  for (const panel of PANELS) await beginCut(page, panel);
  await page.selectOption("#wire select", "chat");
  for (const panel of PANELS) await inState(page, panel, "closed");
  await page.locator("#token-refused", { hasText: "the token is refused: it has expired" }).waitFor();
  assert.equal(await page.locator(".refused", { hasText: "it has expired" }).count(), 0);
  await page.getByRole("button", { name: "Token: expired" }).waitFor();
  await page.locator("#wire .line", { hasText: "HTTP 401" }).waitFor();
  await page.locator("#wire .line", { hasText: '"status":401' }).waitFor();
  assert.deepEqual(await openStreams(page), []);
  assert.equal(await page.textContent("[data-stat=connections]"), "0 of 6");

  ids.push(await the.host.say("two", { room }));
  await page.getByRole("button", { name: "Token: expired" }).click();
  await page.getByRole("button", { name: "Forget it" }).click();
  await showsExactly(page, ids);
  for (const panel of PANELS) await inState(page, panel, "live");
  assert.equal(await page.locator(".gap:visible, .refused:visible, #token-refused:visible").count(), 0);
});

test("the reason is told in Chinese, too", async () => {
  the.letLoadsFail();
  const page = await the.open("#/chat/chinese", { locale: "zh-CN" });
  await page.getByRole("button", { name: "令牌" }).click();
  await page.locator("#token-field").fill(token({ subscribe: ["stock"] }));
  await page.keyboard.press("Enter");
  await page.locator("#chat .refused", { hasText: "没有权限" }).waitFor();
  await inState(page, "stock", "live");
  await page.getByRole("button", { name: "English" }).click();
  await page.locator("#chat .refused", { hasText: "no grant to subscribe chat/chinese" }).waitFor();
});

test("a name that is not the token's is refused at the field of the name", async () => {
  the.letLoadsFail();
  const page = await the.open("#/chat/impostor");
  await inState(page, "chat", "live");
  await field(page, "Your name").fill("mallory");
  // As a site does that logs people in while its page is open.
  await signIn(page.context(), token({ sub: "ada" }), the.host.base);
  await say(page, "who am I?");
  await page.waitForSelector("input[name=user][aria-invalid]");
  assert.notEqual(await page.textContent("#user-note"), "");
  assert.equal(await field(page, "Message").inputValue(), "who am I?");
  assert.equal(await page.locator("#chat .pending li").count(), 0);
});

test("all tabs have the token that one was given", async () => {
  const room = "tabs";
  const first = await the.open(`#/chat/${room}`);
  const second = await first.context().newPage();
  await second.goto(`/#/chat/${room}`);
  for (const page of [first, second]) await inState(page, "chat", "live");
  await enterToken(first, token({ sub: "ada" }));
  await second.getByRole("button", { name: "Token: ada" }).waitFor();
  for (const page of [first, second]) await inState(page, "chat", "live");
  const ids = [await the.host.say("for both", { room })];
  for (const page of [first, second]) await showsExactly(page, ids);
  await say(second, "by the name that the first has set");
  await first.locator("#chat .messages li", { hasText: "by the name" }).locator("bdi", { hasText: "ada" }).waitFor();

});

test("a token that ends closes its streams with the reason, and a new one goes on without a gap", async () => {
  the.letLoadsFail();
  const room = "ends";
  const ids = [await the.host.say("one", { room })];
  const page = await the.open(`#/chat/${room}`);
  await enterToken(page, endingToken({ sub: "ada" }));
  // By the clock of the page it is over.
  await page.getByRole("button", { name: "Token: expired" }).waitFor();
  await inState(page, "chat", "live");
  await showsExactly(page, ids);
  await page.locator("#token-refused", { hasText: "it has expired" }).waitFor();
  await inState(page, "chat", "closed");
  ids.push(await the.host.say("two", { room }));
  // As a site does that renews what it has given.
  await signIn(page.context(), token({ sub: "ada" }), the.host.base);
  await page.locator("#chat .refused").getByRole("button", { name: "Reconnect" }).click();
  await showsExactly(page, ids);
  await inState(page, "chat", "live");
  assert.equal(await page.locator("#chat .gap:visible, #chat .refused:visible, #token-refused:visible").count(), 0);
});

test("a cookie that is renewed in time goes on without a word", async () => {
  const room = "renewed";
  const ids = [await the.host.say("one", { room })];
  const page = await the.open(`#/chat/${room}`);
  await showsExactly(page, ids);
  await page.selectOption("#wire select", "chat");
  await enterToken(page, endingToken({ sub: "ada" }));
  // By the clock of the page it is over.
  await page.getByRole("button", { name: "Token: expired" }).waitFor();
  await inState(page, "chat", "live");
  await signIn(page.context(), token({ sub: "ada" }), the.host.base);
  await page.waitForFunction(() => document.querySelector("[data-stat=reconnects]").textContent === "1");
  ids.push(await the.host.say("two", { room }));
  await showsExactly(page, ids);
  assert.equal(await page.locator(".gap:visible, .refused:visible").count(), 0);
});
