// Takes the pictures of the README. `npm run screenshots`, after `cargo xtask build`.
import { mkdir, writeFile } from "node:fs/promises";
import { startHost } from "./hosts.mjs";
import { withPalette } from "./png.mjs";
import { ARGUMENTS, inState, launch } from "./suite.mjs";

/** A picture is loaded by everyone who reads the README. */
const BYTES_MAX = 150_000;

const CONVERSATION = [
  ["ada", "The server restarted a minute ago. Did you notice?"],
  ["grace", "Not a thing. Which message did I miss?"],
  ["ada", "None. Your browser said where it had stopped, and got what came after."],
  ["林", "我刚从隧道里出来，消息一条不少 👍"],
];

const PICTURES = [
  { path: "docs/page-light.png", colorScheme: "light", locale: "en-GB", feed: "stock" },
  // Some seconds after a cut: the line is whole again, and the wire shows how.
  { path: "docs/page-dark.png", colorScheme: "dark", locale: "zh-CN", feed: "chat", cut: true },
];

const host = await startHost();
// Text without coloured fringes looks right on every screen.
const browser = await launch({ args: [...ARGUMENTS, "--disable-lcd-text", "--font-render-hinting=none"] });
await mkdir("docs", { recursive: true });
for (const [user, text] of CONVERSATION) await host.say(text, { user });

for (const { path, feed, cut, ...options } of PICTURES) {
  const viewport = { width: 1280, height: 816 };
  const context = await browser.newContext({ baseURL: host.base, viewport, ...options });
  const page = await context.newPage();
  await page.goto("/");
  await page.locator("[name=user]").fill("ada");
  if (cut) {
    await page.waitForSelector("#stock .arrow[aria-label]");
    for (const name of ["stock", feed]) {
      await page.selectOption("#wire select", name);
      await page.locator("#wire .cut").click();
    }
    await inState(page, "stock", "reconnecting");
    await page.locator("[name=text]").fill("断线时发出的消息");
    await page.keyboard.press("Enter");
    for (const name of ["stock", feed]) await inState(page, name, "live");
    await page.waitForTimeout(8_000);
  } else {
    await page.selectOption("#wire select", feed);
    await page.waitForSelector("#stock .arrow[aria-label]");
    await page.waitForTimeout(2_000);
  }
  await page.evaluate(() => document.activeElement.blur());
  const picture = withPalette(await page.screenshot());
  console.log(`${path}: ${picture.length} bytes`);
  if (picture.length > BYTES_MAX) throw new Error(`${path} is over ${BYTES_MAX} bytes`);
  await writeFile(path, picture);
  await context.close();
}
await browser.close();
await host.close();
