// The events panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, suite } from "./suite.mjs";

const the = suite();

const notification = (id, topic, data, event = "") =>
  `${event && `event: ${event}\n`}id: ${id}\ndata: ${JSON.stringify({ type: "notification", id, topic, time: "2026-11-22T10:00:00.000Z", data })}\n\n`;

/** Answers for the feed, whose notifications take a token to publish. */
const answer = (page, blocks, seen = []) =>
  page.route("**/api/events*", (route) => {
    if (route.request().method() !== "GET") return route.continue();
    seen.push(new URL(route.request().url()).searchParams);
    return route.fulfill({
      contentType: "text/event-stream",
      body: `retry: 60000\nevent: cursor\nid: 5\ndata: {"cursor":"5"}\n\n${blocks}`,
    });
  });

test("ticks come, share a line, and can be left out", async () => {
  const page = await the.open();
  const time = page.locator("#events .tick time");
  const first = await time.textContent();
  await page.waitForFunction((first) => document.querySelector("#events .tick time").textContent !== first, first);
  assert.equal(await time.count(), 1);
  await page.getByRole("checkbox", { name: "Ticks" }).uncheck();
  await inState(page, "events", "live");
  assert.equal(await time.count(), 0);
});

test("notifications are shown with topic and data, as text", async () => {
  const context = await the.visitor();
  const page = await context.newPage();
  await answer(page, notification("6", "orders", { note: "<img src=x>" }));
  await page.goto("/");
  const line = page.locator("#events .notification");
  await line.waitFor();
  assert.equal(await line.locator(".topic").textContent(), "orders");
  assert.equal(await line.locator("code").textContent(), '{"note":"<img src=x>"}');
  assert.equal(await line.locator("img").count(), 0);
});

test("the filter asks for its topics alone", async () => {
  const seen = [];
  const page = await the.open();
  await answer(page, "", seen);
  await page.getByRole("textbox", { name: "Topics" }).fill("orders, mail");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForFunction(() => globalThis.sources.some(({ url }) => url.includes("topics=")));
  assert.equal(seen.at(-1).get("topics"), "orders,mail");
});

test("publishing without a good token is refused at the field of the token", async () => {
  the.letLoadsFail();
  const page = await the.open();
  await page.getByText("Publish a notification").click();
  await page.getByRole("button", { name: "Publish" }).click();
  await page.waitForSelector("input[name=token][aria-invalid]");
  assert.notEqual(await page.textContent("#token-note"), "");
  await page.locator("input[name=token]").fill("no.token.atall");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#token-note", { hasText: "token" }).waitFor();
});

test("what is no JSON is refused at its field", async () => {
  const page = await the.open();
  await page.getByText("Publish a notification").click();
  await page.locator("textarea[name=data]").fill("{");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#data-note", { hasText: "not JSON" }).waitFor();
});

test("a notification goes with the token and with every digit, and its event name is listened for", async () => {
  const page = await the.open();
  const posts = [];
  await answer(page, notification("7", "orders", 1, "order-created"));
  await page.route("**/api/events", (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    posts.push([route.request().headers().authorization, route.request().postData()]);
    return route.fulfill({ status: 201, json: { id: "7" } });
  });
  await page.getByText("Publish a notification").click();
  await page.locator("input[name=event]").fill("order-created");
  await page.locator("textarea[name=data]").fill("12345678901234567890.10");
  await page.locator("input[name=token]").fill("a.b.c");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("Published as 7.").waitFor();
  await page.locator("#events .notification .name", { hasText: "order-created" }).waitFor();
  assert.deepEqual(posts, [
    ["Bearer a.b.c", '{"topic":"orders","event":"order-created","data":12345678901234567890.10}'],
  ]);
});
