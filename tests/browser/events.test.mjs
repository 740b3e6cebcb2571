// The events panel.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, signIn, suite } from "./suite.mjs";
import { token } from "./token.mjs";

const the = suite();

const lines = (page) =>
  page.$$eval("#events .notification", (lines) =>
    lines.map((line) => [".topic", ".name", "code"].map((part) => line.querySelector(part)?.textContent ?? "").join(" | ")),
  );

const shown = (page, id) => page.locator(`#events .notification[data-id="${id}"]`).waitFor();

/** A page of somebody who may publish, with the form open. */
async function openForm(claims) {
  const visitor = await the.visitor();
  if (claims) await signIn(visitor, token(claims), the.host.base);
  const page = await visitor.newPage();
  await page.goto("/");
  await inState(page, "events", "live");
  await page.getByText("Publish a notification").click();
  return page;
}

const publish = (page) => page.getByRole("button", { name: "Publish", exact: true }).click();

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

test("notifications are shown with topic and data, those of before and those of now", async () => {
  await the.host.notify({ order: 1 }, { topic: "history" });
  const page = await the.open();
  await page.getByRole("textbox", { name: "Topics" }).fill("history");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByText('{"order":1}').waitFor();
  await shown(page, await the.host.notify(["now"], { topic: "history" }));
  assert.deepEqual(await lines(page), ['history |  | {"order":1}', 'history |  | ["now"]']);
});

test("the filter shows its topics alone", async () => {
  const page = await the.open();
  await page.getByRole("textbox", { name: "Topics" }).fill("filter-a, filter-b");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForFunction(() => globalThis.sources.some(({ url }) => url.includes("topics=filter-a%2Cfilter-b")));
  await inState(page, "events", "live");
  for (const topic of ["filter-a", "filter-c"]) await the.host.notify(0, { topic });
  await shown(page, await the.host.notify(0, { topic: "filter-b" }));
  assert.deepEqual(await lines(page), ["filter-a |  | 0", "filter-b |  | 0"]);
});

test("named notifications of others are shown by their names, which are remembered", async () => {
  const page = await the.open();
  await page.getByRole("textbox", { name: "Topics" }).fill("named");
  await page.getByRole("textbox", { name: "Event names" }).fill("made, paid");
  await page.getByRole("button", { name: "Filter" }).click();
  await inState(page, "events", "live");
  for (const event of ["made", "lost"]) await the.host.notify(1, { topic: "named", event });
  await shown(page, await the.host.notify(2, { topic: "named", event: "paid" }));
  assert.deepEqual(await lines(page), ["named | made | 1", "named | paid | 2"]);
  await page.reload();
  assert.equal(await page.getByRole("textbox", { name: "Event names" }).inputValue(), "made, paid");
  await page.locator("#events .name", { hasText: "paid" }).waitFor();
});

test("what is published here is shown here, with every digit, and its event name is listened for", async () => {
  const page = await openForm({ sub: "ada" });
  await page.locator("input[name=event]").fill("order-created");
  await page.locator("textarea[name=data]").fill("12345678901234567890.10");
  await publish(page);
  await page.getByText(/^Published as \d+\.$/).waitFor();
  await page.locator("#events .name", { hasText: "order-created" }).waitFor();
  assert.deepEqual((await lines(page)).slice(-1), ["orders | order-created | 12345678901234567890.10"]);
  assert.equal(await page.getByRole("textbox", { name: "Event names" }).inputValue(), "order-created");
});

test("without a grant the token is asked for, and nothing that was written is lost", async () => {
  the.letLoadsFail();
  const page = await openForm();
  await page.locator("textarea[name=data]").fill('"kept"');
  await publish(page);
  await page.locator("#token-note", { hasText: "no grant to publish" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "token-field");
  await page.keyboard.type(token());
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Token: a holder without a name" }).waitFor();
  await publish(page);
  await page.getByText(/^Published as \d+\.$/).waitFor();
  await page.locator("#events code", { hasText: '"kept"' }).waitFor();
});

test("a refusal is told at the field that the server names", async () => {
  the.letLoadsFail();
  const page = await openForm({ sub: "ada" });
  await page.locator("input[name=event]").fill("gap");
  await publish(page);
  await page.locator("#event-note", { hasText: "reserved" }).waitFor();
  await page.locator("input[name=event]").fill("");
  await page.locator("input[name=topic]").fill("no topic!");
  await publish(page);
  await page.locator("#topic-note", { hasText: "topic: must be" }).waitFor();
  assert.equal(await page.locator("#event-note").textContent(), "");
});

test("what is no JSON is refused at its field", async () => {
  const page = await openForm();
  await page.locator("textarea[name=data]").fill("{");
  await publish(page);
  await page.locator("#data-note", { hasText: "not JSON" }).waitFor();
});

test("a publication whose answer was lost is stored once, until a field is changed", async () => {
  the.letLoadsFail();
  const page = await openForm({ sub: "ada" });
  await page.getByRole("textbox", { name: "Topics" }).fill("once");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.locator("input[name=topic]").fill("once");
  const keys = [];
  await page.route("**/api/events", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length > 1) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await publish(page);
  await page.locator("#publish-note", { hasText: "cannot be reached" }).waitFor();
  assert.equal(await page.locator("#events [aria-invalid]").count(), 0, "no field is at fault");
  await publish(page);
  await page.getByText(/^Published as \d+\.$/).waitFor();
  await page.locator("textarea[name=data]").fill("2");
  await publish(page);
  await page.locator("#events .notification code", { hasText: /^2$/ }).waitFor();
  assert.deepEqual(await lines(page), ['once |  | {"order":1}', "once |  | 2"]);
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test("a server that is too busy is told about, with the time to wait", async () => {
  the.letLoadsFail();
  const page = await openForm({ sub: "ada" });
  const body = '{"type":"urn:ssedge:problem:unavailable","detail":"the storage did not answer"}';
  await page.route("**/api/events", (route) => route.fulfill({ status: 503, headers: { "Retry-After": "7" }, body }));
  await publish(page);
  await page.locator("#publish-note", { hasText: "the storage did not answer · try again in 7 s" }).waitFor();
});
