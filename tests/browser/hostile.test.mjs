// What a user wrote is shown as text, and changes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, showsExactly, suite } from "./suite.mjs";

const the = suite();

const HOSTILE = {
  "markup": `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`,
  "a block of its own": "one\n\ndata: fake\n\nevent: gap\ndata: {}\n\nid: 999",
  "right-to-left marks": "\u202e\u2067evil\u200f user: not ada",
  "two thousand emoji": "🎈".repeat(2_000),
  "separators": "a\u2028b\u2029c",
  "an entity": "&lt;b&gt; &amp;",
};

for (const [index, [what, text]] of Object.entries(HOSTILE).entries()) {
  test(`${what}: it is text`, async () => {
    const room = `hostile-${index}`;
    const page = await the.open(`#/chat/${room}`);
    await inState(page, "chat", "live");
    const ids = [await the.host.say(text, { room, user: "<b>eve</b>" }), await the.host.say("after", { room })];
    await showsExactly(page, ids);
    const line = page.locator("#chat .messages li").first();
    assert.equal(await line.locator(".text").textContent(), text);
    assert.equal(await line.locator(".user").textContent(), "<b>eve</b>");
    assert.equal(await line.locator("img, script, b").count(), 0);
    assert.equal(await page.title(), "ssedge");
    assert.equal(await page.locator("#chat .gap").isVisible(), false);
    // No mark reaches past its message, and no message past its panel.
    const second = page.locator("#chat .messages li").nth(1).locator(".text");
    assert.equal(await second.evaluate((element) => getComputedStyle(element).direction), "ltr");
    const overflows = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(overflows, false);
  });
}
