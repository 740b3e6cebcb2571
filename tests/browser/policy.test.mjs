// What the page is made of, and what its host says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inState, suite } from "./suite.mjs";

const the = suite();

test("the policy forbids all but the page's own, and nothing is inline", async () => {
  const page = await the.open();
  await inState(page, "stock", "live");
  const policy = await page.getAttribute("meta[http-equiv=Content-Security-Policy]", "content");
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.includes(rule), rule);
  }
  const answer = await page.request.get("/");
  assert.match(answer.headers()["content-security-policy"], /frame-ancestors 'none'/);
  assert.equal(answer.headers()["cache-control"], "public, max-age=0, must-revalidate");
  const document = await answer.text();
  assert.doesNotMatch(document, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/i);
});

test("assets are cached by the hash in their name", async () => {
  const page = await the.open();
  const assets = await page.$$eval("script[src], link[rel=stylesheet]", (found) => found.map(({ src, href }) => src ?? href));
  assert.equal(assets.length, 2);
  for (const url of assets) {
    assert.match(url, /\/assets\/page-[A-Z0-9]{8}\.(js|css)$/);
    const answer = await page.request.get(url);
    assert.match(answer.headers()["cache-control"], /max-age=31536000, immutable/);
  }
});
