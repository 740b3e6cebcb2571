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
  ["ada", "None: your browser said where it stopped."],
  ["林", "我刚从隧道里出来，消息一条不少 👍"],
];

const NOTIFICATIONS = [
  [{ order: 1042, total: "19.90" }, { topic: "orders", event: "created" }],
  [{ version: "1.4.0", by: "grace" }, { topic: "deploys" }],
  [{ order: 1042, carrier: "bicycle" }, { topic: "orders", event: "sent" }],
];

const DESKTOP = { width: 1280, height: 832 };
const PICTURES = [
  { path: "docs/page-light.png", viewport: DESKTOP, colorScheme: "light", locale: "en-GB", feed: "stock" },
  // Some seconds after a cut: the line is whole again, and the wire shows how.
  { path: "docs/page-dark.png", viewport: DESKTOP, colorScheme: "dark", locale: "zh-CN", feed: "chat", cut: true },
  { path: "docs/page-phone.png", viewport: { width: 390, height: 844 }, colorScheme: "light", locale: "en-GB", feed: "stock" },
];

/** Whether this browser draws one sign as it draws another one that no font has. */
const drawsAlike = ([sign, unknown]) => {
  const [drawn, missing] = [sign, unknown].map((text) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    context.font = "32px sans-serif";
    context.fillText(text, 0, 40);
    return canvas.toDataURL();
  });
  return drawn === missing;
};

const host = await startHost();
// Text without coloured fringes looks right on every screen.
const browser = await launch({ args: [...ARGUMENTS, "--disable-lcd-text", "--font-render-hinting=none"] });
await mkdir("docs", { recursive: true });
for (const [user, text] of CONVERSATION) await host.say(text, { user });
for (const [data, options] of NOTIFICATIONS) await host.notify(data, options);

for (const { path, feed, cut, ...options } of PICTURES) {
  const context = await browser.newContext({ baseURL: host.base, ...options });
  await context.addInitScript(() => localStorage.setItem("ssedge.names", "created, sent"));
  const page = await context.newPage();
  await page.goto("/");
  for (const sign of ["林", "👍"]) {
    if (await page.evaluate(drawsAlike, [sign, "\u{10FFFF}"])) throw new Error(`no font here has ${sign}: install one`);
  }
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
  await page.evaluate(() => {
    document.activeElement.blur();
    scrollTo(0, 0);
  });
  const picture = withPalette(await page.screenshot());
  console.log(`${path}: ${picture.length} bytes`);
  if (picture.length > BYTES_MAX) throw new Error(`${path} is over ${BYTES_MAX} bytes`);
  await writeFile(path, picture);
  await context.close();
}
await browser.close();
await host.close();
