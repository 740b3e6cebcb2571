// A market whose quotes are published, instead of computed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "./client.mjs";
import { cut, inState, suite } from "./suite.mjs";

const the = suite({ vars: { STOCK_SOURCE: "published", STOCK_SYMBOLS: "ACME,GLBX" } });

const price = (page, symbol) => page.locator(`#stock tr[data-symbol=${symbol}] td >> nth=0`);

test("published quotes move the table and the chart, and nobody calls them simulated", async () => {
  await the.host.quote("ACME", 100);
  const page = await the.open();
  await inState(page, "stock", "live");
  await price(page, "ACME").getByText("100.00").waitFor();
  await the.host.quote("ACME", 101.25);
  await price(page, "ACME").getByText("101.25").waitFor();
  await price(page, "ACME").getByRole("img", { name: "up" }).waitFor();
  await the.host.quote("ACME", 99.5);
  await price(page, "ACME").getByRole("img", { name: "down" }).waitFor();
  await the.host.quote("GLBX", 7);
  await page.getByRole("checkbox", { name: "GLBX" }).waitFor();
  await page.waitForSelector("#stock canvas");
  assert.equal(await page.getByText("simulated market").isVisible(), false);
});

test("quotes that were published while the stream was cut are found by the resume", async () => {
  const page = await the.open();
  await the.host.quote("ACME", 50);
  await price(page, "ACME").getByText("50.00").waitFor();
  await cut(page, "stock");
  for (const value of [51, 52, 53]) await the.host.quote("ACME", value);
  await inState(page, "stock", "live");
  await price(page, "ACME").getByText("53.00").waitFor();
  await page.waitForFunction(() => document.querySelector("[data-stat=found]").textContent === "3 entries");
});

test("of two quotes in the same millisecond the later one is shown", async () => {
  const visitor = await the.visitor();
  const quote = (id, price) =>
    `id: ${id}\ndata: ${JSON.stringify({ symbol: "ACME", price, change: 0, time: "2026-11-22T10:00:00.000Z" })}\n\n`;
  await visitor.route("**/api/stock?*", (route) => route.fulfill(stream(`retry: 60000\n${quote(1, 50)}${quote(2, 51)}`)));
  const page = await visitor.newPage();
  await page.goto("/");
  await price(page, "ACME").getByText("51.00").waitFor();
});
