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
/** It would turn around all that follows it in its line. */
const EVE = "\u202e<b>eve</b>";

/** Where the parts of a line are, from its left edge: `[left, right]` each, of their text and not of their box. */
const places = (line, ...parts) =>
  line.evaluate((line, parts) => {
    const { left } = line.getBoundingClientRect();
    return parts.map((part) => {
      const range = document.createRange();
      range.selectNodeContents(line.querySelector(part));
      const box = range.getBoundingClientRect();
      return [Math.round(box.left - left), Math.round(box.right - left)];
    });
  }, parts);

const isInside = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

for (const [index, [what, text]] of Object.entries(HOSTILE).entries()) {
  test(`${what}: it is text`, async () => {
    const room = `hostile-${index}`;
    const page = await the.open(`#/chat/${room}`);
    await inState(page, "chat", "live");
    const ids = [];
    for (const [said, user] of [["same", "ada"], [text, EVE], ["same", "ada"]]) ids.push(await the.host.say(said, { room, user }));
    await showsExactly(page, ids);
    const [before, line, after] = await page.locator("#chat .messages li").all();
    assert.equal(await line.locator(".text").textContent(), text);
    assert.equal(await line.locator(".user").textContent(), EVE);
    assert.equal(await line.locator("img, script, b").count(), 0);
    assert.equal(await page.title(), "ssedge");
    assert.equal(await page.locator("#chat .gap").isVisible(), false);
    // No mark reaches past its name or its message, and no message past its panel.
    const [[, nameEnds], [timeBegins]] = await places(line, ".user", "time");
    assert.ok(nameEnds <= timeBegins, `the time is after the name: ${nameEnds} <= ${timeBegins}`);
    const parts = [".user", ".text"];
    assert.deepEqual(await places(after, ...parts), await places(before, ...parts));
    assert.ok(await isInside(page));
  });

  test(`${what} in a notification: it is text`, async () => {
    const topic = `hostile-${index}`;
    const page = await the.open();
    await page.getByRole("textbox", { name: "Topics" }).fill(topic);
    await page.getByRole("button", { name: "Filter" }).click();
    await inState(page, "events", "live");
    const data = { [text]: text };
    const ids = [];
    for (const each of ["same", data, "same"]) ids.push(await the.host.notify(each, { topic }));
    await page.locator(`#events [data-id="${ids[2]}"]`).waitFor();
    const [before, line, after] = await page.locator("#events .notification").all();
    assert.deepEqual(JSON.parse(await line.locator("code").textContent()), data);
    assert.equal(await line.locator("img, script, b").count(), 0);
    assert.equal(await page.title(), "ssedge");
    const [[, topicEnds], [timeBegins]] = await places(line, ".topic", "time");
    assert.ok(topicEnds <= timeBegins, `the time is after the topic: ${topicEnds} <= ${timeBegins}`);
    const parts = [".topic", "code"];
    assert.deepEqual(await places(after, ...parts), await places(before, ...parts));
    assert.ok(await isInside(page));
  });
}
