// A page of `cargo xtask dev`, as somebody sees it who has just cloned this.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startDev } from "./hosts.mjs";
import { inState, suite } from "./suite.mjs";

const the = suite({ host: startDev });

test("the first token, made as the page tells, is taken by the server that runs already", async () => {
  const page = await the.open("#/events");
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
  await page.getByRole("button", { name: "Token" }).click();
  const { stdout, stderr } = await the.host.run(await page.textContent("#token code"));
  assert.doesNotMatch(stderr, /new one/);
  await page.locator("#token-field").fill(stdout);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Token: ada" }).waitFor();
  await page.locator("summary").click();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.locator("#events .notification", { hasText: /"order": ?1/ }).waitFor();
  for (const panel of ["stock", "chat", "events"]) await inState(page, panel, "live");
});
