// The page of `cargo xtask dev` loads itself again when another build is served, within the policy of the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { suite } from "./suite.mjs";

const the = suite();

test("a page loads itself again after a build, and not after a restart", async () => {
  the.host.build = "first";
  await the.host.restart();
  the.letLoadsFail();
  const page = await the.open();
  const loads = [];
  page.on("load", () => loads.push(page.url()));

  await the.host.restart();
  // More than once it has asked what is served.
  for (let answers = 0; answers < 2; answers += 1) await page.waitForResponse("**/__dev/build");
  assert.deepEqual(loads, []);

  the.host.build = "second";
  await the.host.restart();
  if (loads.length === 0) await page.waitForEvent("load");
  for (let answers = 0; answers < 2; answers += 1) await page.waitForResponse("**/__dev/build");
  assert.equal(loads.length, 1);
});
