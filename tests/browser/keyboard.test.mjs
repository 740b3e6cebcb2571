// All of the page by the keyboard alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, suite } from "./suite.mjs";

const the = suite();

/** More stops than the page has. */
const STOPS = 80;

/** The name of what has the focus, and whether one can see that it has it. */
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { name: globalThis.nameOf(element), isSeen: outlineStyle !== "none" && outlineWidth !== "0px" };
  });

/** Names an element as a reader of a failure would, by what does not change from second to second. */
function names() {
  globalThis.nameOf = (element) => {
    const { tagName, id, name, className, textContent } = element;
    const text = element.matches("a, button, summary") ? textContent : element.closest("tr")?.dataset.symbol;
    return [tagName.toLowerCase(), id, name, className, text].filter(Boolean).join(" ");
  };
}

async function openPage(hash, options) {
  const visitor = await the.visitor(options);
  await visitor.addInitScript(names);
  const page = await visitor.newPage();
  await page.goto(`/${hash}`);
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
  await page.waitForSelector("#stock tbody tr:nth-child(8)");
  return page;
}

/** Goes on by Tab until this has the focus. */
async function tabTo(page, selector) {
  const passed = [];
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
    passed.push((await focused(page)).name);
  }
  assert.fail(`Tab does not lead to ${selector}, but to ${passed.join(", ")}`);
}

for (const state of ["closed", "open"]) {
  test(`everything that can be operated is reached by Tab and shows that it has the focus: the form is ${state}`, async () => {
    const page = await openPage("");
    if (state === "open") await page.evaluate(() => (document.querySelector("details").open = true));
    const wanted = await page.evaluate(() =>
      [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
        .filter((element) => element.checkVisibility())
        .map(globalThis.nameOf),
    );
    assert.ok(wanted.length > 25, `${wanted}`);
    const reached = new Set();
    for (let stop = 0; stop < STOPS; stop += 1) {
      await page.keyboard.press("Tab");
      const { name, isSeen } = await focused(page);
      if (name.startsWith("body")) continue;
      assert.ok(isSeen, `${name} shows that it has the focus`);
      reached.add(name);
    }
    assert.deepEqual(wanted.filter((name) => !reached.has(name)), [], `reached: ${[...reached].join(", ")}`);
  });
}

test("a message is said, and a room entered", async () => {
  const page = await openPage("#/chat/keyboard");
  await tabTo(page, "textarea[name=text]");
  await page.keyboard.type("by keys");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("in two lines");
  await page.keyboard.press("Enter");
  await page.locator("#chat .messages li", { hasText: "by keys\nin two lines" }).waitFor();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  await tabTo(page, "[name=room]");
  await page.keyboard.type("elsewhere");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/#/chat/elsewhere");
});

test("a symbol is chosen", async () => {
  const page = await openPage("");
  await tabTo(page, "tr[data-symbol=ZORG] input");
  await page.keyboard.press("Space");
  assert.equal(await page.getByRole("checkbox", { name: "ZORG" }).isChecked(), true);
});

test("another feed is read on the wire, held, and cut", async () => {
  const page = await openPage("#/chat/keyboard-cut");
  await tabTo(page, "#wire select");
  await page.keyboard.press("ArrowDown");
  await page.locator("#wire .line", { hasText: "GET /api/chat/keyboard-cut" }).waitFor();
  await tabTo(page, "#wire .hold");
  await page.keyboard.press("Enter");
  assert.equal(await page.getAttribute("#wire .hold", "aria-pressed"), "true");
  await tabTo(page, "#wire .cut");
  await page.keyboard.press("Space");
  await inState(page, "chat", "reconnecting");
  assert.equal(await page.getAttribute("#stock", "data-state"), "live");
});

test("the filter is set, and a notification written", async () => {
  const page = await openPage("");
  await tabTo(page, "[name=topics]");
  await page.keyboard.type("orders");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => globalThis.sources.some(({ url }) => url.includes("topics=orders")));
  await tabTo(page, "[name=ticks]");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => globalThis.sources.some(({ url }) => url.includes("tick=off")));
  await tabTo(page, "summary");
  await page.keyboard.press("Enter");
  await tabTo(page, "textarea[name=data]");
  await page.keyboard.type("{");
  await tabTo(page, ".publish button");
  await page.keyboard.press("Enter");
  await page.locator("#data-note", { hasText: "not JSON" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), "data");
});

test("language and theme are switched, and a token is entered or not", async () => {
  const page = await openPage("", { colorScheme: "light" });
  await tabTo(page, "#language");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "聊天" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Chat" }).waitFor();
  await tabTo(page, "#theme");
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Theme: Light" }).waitFor();
  await tabTo(page, "#token-button");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "token-field");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#token").isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), "token-button");
});

test("the links lead to their panels, each time", async () => {
  const page = await openPage("", { viewport: { width: 360, height: 740 } });
  const order = await page.$$eval("main > section", (sections) => sections.map(({ id }) => id));
  const links = await page.$$eval("nav a", (links) => links.map(({ hash }) => hash.split("/")[1]));
  assert.deepEqual(links, order, "the links are in the order of the panels");
  for (const [link, panel] of [["nav [data-t=wire]", "wire"], [".skip", "stock"], [".skip", "stock"], ["nav [data-t=wire]", "wire"]]) {
    await tabTo(page, link);
    await page.keyboard.press("Enter");
    await page.waitForFunction((id) => document.activeElement.id === id, `${panel}-title`);
    assert.ok(await page.locator(`#${panel}-title`).isVisible());
    await page.evaluate(() => document.activeElement.blur());
  }
});
