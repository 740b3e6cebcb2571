// A connection that stays open and brings nothing more: no error tells of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { follow, openClient, state, states, texts, has } from "./client.mjs";
import { startHost } from "./hosts.mjs";
import { startProxy } from "./proxy.mjs";
import { inState, say, setVisibility, showsExactly, suite } from "./suite.mjs";

const PANELS = ["stock", "chat", "events"];
/** Longer than five heartbeats of a second. */
const SOME_BEATS_MS = 6_000;

const the = suite({ vars: { HEARTBEAT_SECS: "1" } });
const proxies = {};
let patient;

before(async () => {
  // Its heartbeat is too slow to tell within the patience of a test: what comes back sooner does so for another reason.
  patient = await startHost({ HEARTBEAT_SECS: "60" });
  proxies.quick = await startProxy(() => the.host.base);
  proxies.patient = await startProxy(() => patient.base);
});
after(async () => {
  for (const proxy of Object.values(proxies)) await proxy.close();
  await patient?.close();
});

test("it is told as no sign of life, and then opened anew, without a gap", async () => {
  the.letLoadsFail();
  const [room, proxy] = ["dead", proxies.quick];
  const page = await the.open(`#/chat/${room}`, { baseURL: proxy.base });
  for (const panel of PANELS) await inState(page, panel, "live");
  const ids = [await the.host.say("before", { room })];
  await showsExactly(page, ids);
  await page.evaluate(() => {
    const [state, now] = [document.querySelector("#chat .state"), document.querySelector("#chat .now")];
    globalThis.said = [];
    const tell = () => globalThis.said.push([state.textContent, now.hidden]);
    new MutationObserver(tell).observe(state, { childList: true });
  });
  proxy.silence();
  for (const panel of PANELS) await inState(page, panel, "reconnecting");
  const [[first, isButtonHidden]] = await page.evaluate(() => globalThis.said);
  assert.match(first, /^no sign of life for \d s$/);
  assert.equal(isButtonHidden, false, "who does not want to wait need not");
  ids.push(await the.host.say("meanwhile", { room }));
  // Whoever tries again gets no answer either, and tries once more.
  await page.waitForFunction(() => globalThis.sources.filter(({ url }) => url.includes("/chat/")).length >= 3);
  proxy.heal();
  await showsExactly(page, ids);
  for (const panel of PANELS) await inState(page, panel, "live");
  assert.equal(await page.locator(".gap:visible").count(), 0);
});

test("the lines of the wire go on, too", async () => {
  const [room, proxy] = ["dead-wire", proxies.quick];
  const page = await the.open(`#/chat/${room}`, { baseURL: proxy.base });
  await page.selectOption("#wire select", "chat");
  await page.waitForSelector("#wire .line[data-field=data]");
  proxy.silenceStreams();
  const id = await the.host.say("go on", { room });
  await page.waitForFunction((id) => document.querySelector("#wire .lines").textContent.includes(`id: ${id}`), id);
});

test("a message that was stored and does not come back in time is fetched", async () => {
  const [room, proxy] = ["dead-own", proxies.patient];
  const page = await the.open(`#/chat/${room}`, { baseURL: proxy.base });
  await inState(page, "chat", "live");
  proxy.silenceStreams();
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
  await say(page, "where am I?");
  assert.equal((await answered).status(), 201);
  await page.locator("#chat .pending li", { hasText: "stored, not back yet" }).waitFor();
  await page.locator("#chat .messages li", { hasText: "where am I?" }).waitFor();
  assert.equal(await page.locator("#chat .pending li").count(), 0);
  assert.equal(await page.textContent("[data-stat=reconnects]").then(Number) <= 1, true);
});

test("a silent channel is no dead connection, nor is one whose events have names that nobody listens for", async () => {
  const [room, visitor] = ["quiet", await the.visitor()];
  const silent = await openClient(visitor);
  await follow(silent, `/api/chat/${room}`);
  const deaf = await openClient(visitor);
  await follow(deaf, "/api/events?tick=off");
  for (const page of [silent, deaf]) await state(page, "live");
  const until = Date.now() + SOME_BEATS_MS;
  while (Date.now() < until) {
    await the.host.notify(1, { event: "unheard" });
    await silent.waitForTimeout(250);
  }
  for (const page of [silent, deaf]) {
    assert.deepEqual(await states(page), ["connecting", "live"]);
    assert.equal(await page.evaluate(() => globalThis.sources.length), 1);
  }
  await the.host.say("at last", { room });
  await has(silent, 1);
  assert.deepEqual(await texts(silent), ["at last"]);
});

test("a page that stood still takes what came meanwhile before it takes the connection for dead", async () => {
  const room = "still";
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/${room}`);
  await state(page, "live");
  await page.evaluate((millis) => {
    const end = performance.now() + millis;
    while (performance.now() < end);
  }, SOME_BEATS_MS);
  await the.host.say("still here", { room });
  await has(page, 1);
  assert.deepEqual(await states(page), ["connecting", "live"]);
  assert.equal(await page.evaluate(() => globalThis.sources.length), 1);
});

test("a page in the background is not watched", async () => {
  const page = await openClient(await the.visitor());
  await follow(page, "/api/chat/background");
  await state(page, "live");
  await setVisibility(page, "hidden");
  await state(page, "paused");
  await page.waitForTimeout(SOME_BEATS_MS);
  assert.deepEqual(await states(page), ["connecting", "live", "paused"]);
  assert.equal(await page.evaluate(() => globalThis.sources.length), 1);
});
