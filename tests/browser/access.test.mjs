// For everyone: themes, languages, widths, the keyboard, screen readers; and what the page is made of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, readAxe, suite } from "./suite.mjs";

const the = suite();

const WIDTHS = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 860 } };

for (const [name, viewport] of Object.entries(WIDTHS)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds no serious violation: ${name}, ${colorScheme}`, async () => {
      await the.host.say("hello");
      const context = await the.visitor({ viewport, colorScheme });
      await context.addInitScript(await readAxe());
      const page = await context.newPage();
      await page.goto("/");
      await page.locator("#chat .messages li").first().waitFor();
      await page.waitForSelector("#stock .arrow[aria-label]");
      await page.locator("summary").click();
      // Flashes fade; what is left of them is what is read.
      await page.evaluate(() => document.getAnimations().forEach((animation) => animation.cancel()));
      const violations = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run();
        return violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
      });
      assert.deepEqual(violations, []);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
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

test("no word is left behind by a change of language", async () => {
  const page = await the.open("", { locale: "zh-CN" });
  await inState(page, "stock", "live");
  const same = await page.evaluate(() =>
    [...document.querySelectorAll("[data-t]")]
      .filter((element) => /^[a-z ]+$/i.test(element.textContent) && element.dataset.t !== "language")
      .map((element) => element.dataset.t),
  );
  assert.deepEqual(same, []);
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

test("everything is reached, seen and done by the keyboard", async () => {
  const page = await the.open("#/chat/keyboard");
  await inState(page, "chat", "live");
  const reached = new Set();
  for (let stop = 0; stop < 45; stop += 1) {
    await page.keyboard.press("Tab");
    const [name, isSeen] = await page.evaluate(() => {
      const { tagName, className, id, name = "" } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return [`${tagName} ${id || name || className}`, tagName === "BODY" || (outlineStyle !== "none" && outlineWidth !== "0px")];
    });
    assert.ok(isSeen, `${name} shows that it has the focus`);
    reached.add(name);
    if (name === "TEXTAREA text") {
      await page.keyboard.type("by keys");
      await page.keyboard.press("Enter");
      await page.locator("#chat .messages li", { hasText: "by keys" }).waitFor();
    }
  }
  for (const name of ["BUTTON language", "BUTTON theme", "INPUT room", "TEXTAREA text", "BUTTON cut", "INPUT topics", "SUMMARY "]) {
    assert.ok(reached.has(name), `${name} is among ${[...reached].join(", ")}`);
  }
});

test("a link to a panel goes to it", async () => {
  const page = await the.open("", { viewport: WIDTHS.phone });
  await page.getByRole("link", { name: "The wire" }).click();
  await page.waitForFunction(() => document.activeElement.id === "wire-title");
  await page.locator("#wire-title").waitFor();
});

test("the policy forbids all but the page's own, and nothing is inline", async () => {
  const page = await the.open();
  await inState(page, "stock", "live");
  const policy = await page.getAttribute("meta[http-equiv=Content-Security-Policy]", "content");
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.includes(rule), rule);
  }
  const answer = await page.request.get("/");
  assert.match(answer.headers()["content-security-policy"], /frame-ancestors 'none'/);
  assert.equal(answer.headers()["cache-control"], "public, max-age=0, must-revalidate");
  const document = await answer.text();
  assert.doesNotMatch(document, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/i);
});

test("assets are cached by the hash in their name", async () => {
  const page = await the.open();
  const assets = await page.$$eval("script[src], link[rel=stylesheet]", (found) => found.map(({ src, href }) => src ?? href));
  assert.equal(assets.length, 2);
  for (const url of assets) {
    assert.match(url, /\/assets\/page-[A-Z0-9]{8}\.(js|css)$/);
    const answer = await page.request.get(url);
    assert.match(answer.headers()["cache-control"], /max-age=31536000, immutable/);
  }
});
