// For everyone: themes, languages, widths, screen readers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, readAxe, suite } from "./suite.mjs";

const the = suite();

const WIDTHS = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 860 } };

/** What axe takes for serious or worse, and whether the page is wider than its window. */
async function violations(page) {
  // Flashes fade; what is left of them is what is read.
  await page.evaluate(() => document.getAnimations().forEach((animation) => animation.cancel()));
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
  });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return overflow > 0 ? [...found, `${overflow} px too wide`] : found;
}

async function openWithAxe(options) {
  const context = await the.visitor(options);
  await context.addInitScript(await readAxe());
  return context.newPage();
}

for (const [name, viewport] of Object.entries(WIDTHS)) {
  for (const [colorScheme, locale] of [["light", "en-GB"], ["dark", "en-GB"], ["light", "zh-CN"], ["dark", "zh-CN"]]) {
    test(`axe finds no serious violation: ${name}, ${colorScheme}, ${locale}`, async () => {
      await the.host.say("hello");
      await the.host.notify({ order: 1 });
      const page = await openWithAxe({ viewport, colorScheme, locale });
      await page.goto("/");
      await page.locator("#chat .messages li").first().waitFor();
      await page.locator("#events .notification").first().waitFor();
      await page.waitForSelector("#stock .arrow[aria-label]");
      await page.locator("summary").click();
      assert.deepEqual(await violations(page), []);
    });

    test(`axe finds none where everything fails: ${name}, ${colorScheme}, ${locale}`, async () => {
      the.letLoadsFail();
      const page = await openWithAxe({ viewport, colorScheme, locale });
      const answers = { unreachable: undefined, slow: [429, "rate"], long: [400, "invalid", "text"] };
      await page.route("**/api/chat/failures", async (route) => {
        const { text } = route.request().postDataJSON();
        if (text === "on its way") return;
        const [status, kind, field] = answers[text] ?? [];
        if (!status) return route.abort();
        const body = JSON.stringify({ type: `urn:ssedge:problem:${kind}`, detail: `it is ${kind}`, field });
        await route.fulfill({ status, headers: { "Retry-After": "600" }, body });
      });
      const gap = 'event: gap\nid: 6\ndata: {"reason":"expired","requested":"1"}\n\n';
      await page.route("**/api/chat/failures?*", (route) =>
        route.fulfill({ contentType: "text/event-stream", body: `retry: 600000\n${gap}` }),
      );
      await page.route("**/api/stock*", (route) => route.fulfill({ contentType: "text/event-stream", body: "retry: 600000\n\n" }));
      const problem = { type: "urn:ssedge:problem:forbidden", detail: "no grant" };
      await page.route("**/api/events*", (route) => route.fulfill({ status: 403, json: problem }));
      await page.goto("/#/chat/failures");
      for (const text of ["long", "unreachable", "slow", "on its way"]) {
        await page.locator("[name=text]").fill(text);
        await page.keyboard.press("Enter");
        if (text === "long") await page.waitForSelector("textarea[name=text][aria-invalid]");
      }
      await page.locator("#chat .gap").waitFor();
      await page.waitForSelector("#events[data-state=closed]");
      await page.waitForSelector("#stock[data-state=reconnecting]");
      await page.locator("#chat .pending li").nth(2).waitFor();
      await page.locator("[name=room]").fill("No Room!");
      await page.keyboard.press("Enter");
      await page.locator("summary").click();
      await page.locator("textarea[name=data]").fill("{");
      await page.locator(".publish button").click();
      await page.waitForSelector("textarea[name=data][aria-invalid]");
      assert.deepEqual(await violations(page), []);
      await page.locator("#token-button").click();
      await page.locator("#token-field").fill("no token");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#token-field[aria-invalid]");
      assert.deepEqual(await violations(page), []);
    });
  }
}

test("a Chinese browser gets Chinese, and the switch is remembered", async () => {
  const page = await the.open("", { locale: "zh-CN" });
  await page.getByRole("heading", { name: "聊天" }).waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "zh-Hans");
  await page.waitForFunction(() => document.querySelector("#chat .state").textContent === "实时");
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("heading", { name: "Chat" }).waitFor();
  assert.equal(await page.textContent("#chat .state"), "live");
  await page.reload();
  await page.getByRole("heading", { name: "Chat" }).waitFor();
});

test("no word is left behind by a change of language, and none of the server's", async () => {
  the.letLoadsFail();
  const page = await the.open("#/chat/words", { locale: "zh-CN" });
  for (const panel of ["stock", "chat"]) await inState(page, panel, "live");
  await page.waitForSelector("#events .tick");
  const same = await page.evaluate(() =>
    [...document.querySelectorAll("[data-t]")]
      .filter((element) => /^[a-z ]+$/i.test(element.textContent) && element.dataset.t !== "language")
      .map((element) => element.dataset.t),
  );
  assert.deepEqual(same, []);
  await page.locator("[name=text]").fill("x".repeat(2_001));
  await page.keyboard.press("Enter");
  await page.waitForSelector("textarea[name=text][aria-invalid]");
  const note = await page.textContent("#text-note");
  assert.doesNotMatch(note, /[a-z]{2}/i);
  await page.getByRole("button", { name: "English" }).click();
  // It says what the server says, with the same limit.
  const [limit] = (await page.textContent("#text-note")).match(/\d{3,}/);
  assert.ok(note.includes(limit), `${note} names ${limit}`);
  assert.equal(await page.textContent("#events .tick .topic"), "tick");
});

test("the theme is switched by hand, and remembered", async () => {
  const page = await the.open("", { colorScheme: "light" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  const button = page.getByRole("button", { name: /^Theme/ });
  await button.click();
  assert.equal(await background(), light);
  await button.click();
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole("button", { name: "Theme: Dark" }).waitFor();
  assert.equal(await background(), dark);
});
