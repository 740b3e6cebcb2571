// The package in Chromium: its subscription in two tabs, and its hook in a React that looks for mistakes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { ENTRIES } from "../simulated.mjs";
import { Server } from "../server.mjs";

const PATH = "/api/channels/public/orders";
const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
const PAGE = '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/script.js"></script>';
const SCRIPT = `
  import { StrictMode } from "react";
  import { createRoot } from "react-dom/client";
  import { read, subscribe } from "ssedge";
  import { channel } from "ssedge/publish";
  Object.assign(globalThis, { channel, read, subscribe });

  let root;
  globalThis.show = (url) => {
    root ??= createRoot(document.querySelector("#root"));
    root.render(<StrictMode><Orders url={url} /></StrictMode>);
  };
  globalThis.unmount = () => root.unmount();
`;

let browser;
let script;
let server;
let base;
let context;

before(async () => {
  // The component is that of the README.
  const component = readFileSync("packages/client/README.md", "utf8").split("```jsx\n")[1].split("```")[0];
  const options = { bundle: true, format: "esm", target: "es2022", write: false, jsx: "automatic", alias: ENTRIES };
  const development = { jsxDev: true, define: { "process.env.NODE_ENV": '"development"' } };
  const stdin = { contents: component + SCRIPT, resolveDir: ".", loader: "jsx" };
  const { outputFiles } = await build({ ...options, ...development, stdin });
  script = outputFiles[0].text;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
});
after(() => browser?.close());
beforeEach(async () => {
  server = new Server();
  server.retry = 100;
  base = await server.listen();
  context = await browser.newContext();
  await context.route("**/page.html", (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  await context.route("**/script.js", (route) => route.fulfill({ contentType: "text/javascript", body: script }));
});
afterEach(async () => {
  await context.close();
  server.close();
});

/** A page that has the package. An error in it fails the test. */
async function open() {
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  page.on("console", (message) => message.type() === "error" && assert.doesNotMatch(message.text(), /Warning|React/));
  await page.goto(`${base}/page.html`);
  await page.waitForFunction(() => globalThis.show);
  return page;
}

const follow = (page) =>
  page.evaluate((path) => {
    globalThis.told = [];
    globalThis.subscribe(`${path}?history=all`, {
      onEntry: ({ data }) => globalThis.told.push(data),
      onEnd: ({ reason, last }) => globalThis.told.push(`${reason} ${last}`),
      onState: ({ name }) => (globalThis.state = name),
    });
  }, PATH);
const told = (page, count) => page.waitForFunction((count) => globalThis.told.length >= count && globalThis.told, count).then((it) => it.jsonValue());
const append = (...data) => server.channel(PATH).append(data.map((data) => ({ data })));
const streams = () => server.requests.filter(({ method, headers }) => method === "GET" && headers.get("Accept") === "text/event-stream");

test("two tabs share a stream, are both told of the end, and never connect again", async () => {
  append("a");
  const [one, other] = [await open(), await open()];
  await follow(one);
  await told(one, 1);
  await follow(other);
  await told(other, 1);
  server.cut();
  append("b");
  await told(other, 2);
  server.channel(PATH).close("done");
  for (const page of [one, other]) assert.deepEqual(await told(page, 3), ["a", "b", "done 43"]);
  const { length } = streams();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.equal(streams().length, length);
  assert.ok(length <= 3, `${length} streams for two tabs and one cut`);
});

test("a page that comes back to a closed channel is told by which reason", async () => {
  append("a");
  server.channel(PATH).close("stopped");
  const page = await open();
  await page.evaluate((path) => {
    globalThis.told = [];
    globalThis.subscribe(path, { cursor: "42", onEntry: () => {}, onEnd: (end) => globalThis.told.push(end) });
  }, PATH);
  assert.deepEqual(await told(page, 1), [{ reason: "stopped", last: "42" }]);
});

test("a page appends, reads by fetch and presses stop", async () => {
  const page = await open();
  const ids = await page.evaluate(async (path) => {
    const run = globalThis.channel(path, { token: "t" });
    await run.append(["a", { b: 1 }]);
    await run.close("stopped");
    const ids = [];
    for await (const { id } of globalThis.read(`${path}?history=all`)) ids.push(id);
    return ids;
  }, PATH);
  assert.deepEqual([ids, server.channel(PATH).closed], [["42", "43"], { reason: "stopped" }]);
});

test("a component is shown the newest entries and the end, and leaves when it is unmounted", async () => {
  const page = await open();
  append("a", "b");
  await page.evaluate((path) => globalThis.show(`${path}?history=all`), PATH);
  await page.waitForSelector("text=live: a,b");
  append("c", "d");
  await page.waitForSelector("text=live: b,c,d");
  server.channel(`${PATH}/2`).append([{ data: "x" }]);
  await page.evaluate((path) => globalThis.show(`${path}/2?history=all`), PATH);
  await page.waitForSelector("text=live: x");
  server.channel(`${PATH}/2`).close("done");
  await page.waitForSelector("text=closed: x done");
  await page.evaluate((path) => globalThis.show(path), PATH);
  await page.waitForSelector("text=live: ");
  await page.evaluate(() => globalThis.unmount());
  const deadline = Date.now() + 5_000;
  while (server.channel(PATH).readers.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.channel(PATH).readers.size, 0);
});
