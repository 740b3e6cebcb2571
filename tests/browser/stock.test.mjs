// The stock panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, suite } from "./suite.mjs";

const the = suite();

/** The columns of the canvas, left to right, that hold something drawn in a saturated colour: a line. */
const drawnColumns = (page) =>
  page.$eval("#stock canvas", (canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const drawn = [];
    for (let x = 0; x < width; x += 1) {
      for (let y = 0; y < height; y += 1) {
        const [r, g, b, a] = data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4);
        if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 90) {
          drawn.push(x / width);
          break;
        }
      }
    }
    return drawn;
  });

test("history fills the chart at once, and the stream goes on", async () => {
  const page = await the.open();
  await inState(page, "stock", "live");
  await page.waitForSelector("#stock tbody tr:nth-child(8)");
  await page.waitForSelector("#stock canvas");
  await page.waitForTimeout(100);
  const drawn = await drawnColumns(page);
  assert.ok(drawn[0] < 0.2, `the lines begin at the left edge, not at ${drawn[0]}`);

  const price = () => page.$$eval("#stock tbody td:nth-child(2)", (cells) => cells.map((cell) => cell.textContent).join());
  const first = await price();
  await page.waitForFunction(
    (first) => [...document.querySelectorAll("#stock tbody td:nth-child(2)")].map((cell) => cell.textContent).join() !== first,
    first,
  );
});

test("a tick flashes, and says up or down by an arrow", async () => {
  const page = await the.open("", { reducedMotion: "no-preference" });
  const arrow = await page.waitForSelector("#stock .arrow[aria-label]");
  const [label, sign] = await arrow.evaluate((arrow) => [arrow.ariaLabel, arrow.textContent]);
  assert.equal(sign, label === "up" ? "▲" : "▼");
  await page.waitForFunction(() => document.querySelector("#stock tbody").getAnimations({ subtree: true }).length > 0);
});

test("who wants no motion gets no flash", async () => {
  const page = await the.open();
  await page.waitForSelector("#stock .arrow[aria-label]");
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
});

test("a simulated market is labelled as one", async () => {
  const page = await the.open();
  await page.getByText("simulated market").waitFor();
});

test("the chosen symbols are remembered", async () => {
  const page = await the.open();
  const box = page.getByRole("checkbox", { name: "ZORG" });
  assert.equal(await box.isChecked(), false);
  await box.check();
  await page.reload();
  await page.getByRole("checkbox", { name: "ZORG", checked: true }).waitFor();
});

test("a cut leaves a gap in the line, which the resume fills", async () => {
  const page = await the.open();
  await inState(page, "stock", "live");
  await page.waitForSelector("#stock tbody tr:nth-child(8)");
  await page.getByRole("button", { name: "Cut for 5 s" }).click();
  await inState(page, "stock", "reconnecting");
  assert.match(await page.textContent("#stock .state"), /reconnecting in [1-5] s/);
  await page.waitForTimeout(4_000);
  const time = () => page.textContent("[data-stat=cursor]");
  const before = await time();
  await inState(page, "stock", "live");
  // The resume brings each tick of the time that was missed.
  await page.waitForFunction(
    () => Number.parseInt(document.querySelector("[data-stat=found]").textContent, 10) >= 8 * 3,
  );
  assert.notEqual(await time(), before);
});
