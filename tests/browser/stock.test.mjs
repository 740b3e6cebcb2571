// The stock panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, eventually, inState, suite } from "./suite.mjs";

const the = suite();

/**
 * What the plot shows, in pixels of the canvas: the columns that hold a line, which is all that has a saturated colour
 * below the label at the top; the plot's edges; pixels a second; and the colour at the right edge.
 */
const plot = (page) =>
  page.$eval("#stock .chart", (chart) => {
    const canvas = chart.querySelector("canvas");
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const over = chart.querySelector(".u-over").getBoundingClientRect();
    const origin = canvas.getBoundingClientRect();
    const [left, right] = [over.left, over.right].map((edge) => Math.round((edge - origin.left) * scale));
    const [top, bottom] = [over.top + 20, over.bottom].map((edge) => Math.round((edge - origin.top) * scale));
    const { data } = canvas.getContext("2d").getImageData(left, top, right - left, bottom - top);
    const width = right - left;
    const columns = [];
    for (let x = 0; x < width; x += 1) {
      for (let at = x * 4; at < data.length; at += width * 4) {
        const [r, g, b, a] = data.subarray(at, at + 4);
        if (a <= 200 || Math.max(r, g, b) - Math.min(r, g, b) <= 90) continue;
        columns.push(x);
        break;
      }
    }
    const edge = data.subarray((width - 3) * 4, (width - 3) * 4 + 3);
    return { columns, width, perSecond: width / 120, edge: `rgb(${[...edge].join(", ")})` };
  });

/** A colour of the style sheet. */
const colour = (page, name) =>
  page.evaluate((name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }, name);

test("history fills the chart at once, and the stream goes on", async () => {
  const page = await the.open();
  await inState(page, "stock", "live");
  await page.waitForSelector("#stock tbody tr:nth-child(8)");
  await page.waitForSelector("#stock canvas");
  await page.waitForTimeout(100);
  const { columns, width } = await plot(page);
  assert.ok(columns[0] < 0.02 * width, `the lines begin at the left edge, not at ${columns[0]} of ${width}`);

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

for (const reducedMotion of ["reduce", "no-preference"]) {
  test(`a cut leaves a gap in the line, which the resume fills: motion ${reducedMotion}`, async () => {
    const page = await the.open("", { reducedMotion });
    await inState(page, "stock", "live");
    await page.waitForSelector("#stock tbody tr:nth-child(8)");
    await cut(page, "stock");
    assert.match(await page.textContent("#stock .state"), /reconnecting in [1-5] s/);
    // The picture may be a second old, and the dot at the end of a line is as wide as the line of a second.
    await page.waitForTimeout(3_000);
    const down = await plot(page);
    assert.equal(await page.getAttribute("#stock", "data-state"), "reconnecting");
    const gap = (down.width - down.columns.at(-1)) / down.perSecond;
    assert.ok(gap >= 3, `the lines end 3 s before the edge at least, not ${gap} s`);
    assert.equal(down.edge, await colour(page, "--outage"));

    await inState(page, "stock", "live");
    // The resume brings each tick of the time that was missed.
    await page.waitForFunction(
      () => Number.parseInt(document.querySelector("[data-stat=found]").textContent, 10) >= 8 * 3,
    );
    await page.waitForTimeout(1_500);
    let drawn;
    await eventually("the lines go on to the edge", async () => {
      drawn = await plot(page);
      return (drawn.width - drawn.columns.at(-1)) / drawn.perSecond < 4;
    });
    const { columns, edge } = drawn;
    const holes = columns.slice(1).filter((column, at) => column !== columns[at] + 1);
    assert.deepEqual(holes, [], "no column between is empty");
    assert.notEqual(edge, await colour(page, "--outage"));
  });
}
