// What every browser test needs: a host, Chromium, and pages that report what they should never do.
import { readFile } from "node:fs/promises";
import { after, afterEach, before } from "node:test";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { startHost } from "./hosts.mjs";

/** Nothing that Chromium would fetch by itself, and what a machine without screen and sandbox needs. */
export const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Longer than the pauses of a page that lost its server for as long as one takes to start on a busy machine. */
const WAIT_MS = 90_000;

export const launch = (options = {}) =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS, ...options });

/**
 * A host (by default one with these settings) and a browser for the tests of one file. Every page is watched: an error, a refused script or style, or
 * a failed request that the test did not announce fails the test.
 */
export function suite({ vars = {}, host = () => startHost(vars), launch: options = {} } = {}) {
  const the = { host: undefined, browser: undefined };
  let contexts = [];
  let faults = [];
  let loadsMayFail = false;

  before(async () => {
    // Where one of them does not start, the other is still to be closed.
    const starts = [
      host().then((host) => (the.host = host)),
      launch(options).then((browser) => (the.browser = browser)),
    ];
    const [failed] = (await Promise.allSettled(starts)).filter(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  });
  after(async () => {
    await the.browser?.close();
    await the.host?.close();
  });
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    const found = faults;
    [contexts, faults, loadsMayFail] = [[], [], false];
    assert.deepEqual(found, [], "the page reported errors");
  });

  /** A context of its own: another visitor, with no memory of the ones before, who wants no motion: it is dear. */
  the.visitor = async (options = {}) => {
    const context = await the.browser.newContext({
      baseURL: the.host.base,
      locale: "en-GB",
      reducedMotion: "reduce",
      ...options,
    });
    context.setDefaultTimeout(WAIT_MS);
    contexts.push(context);
    await context.addInitScript(watch);
    context.on("weberror", (error) => faults.push(String(error.error())));
    context.on("console", (message) => {
      const isLoad = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !(isLoad && loadsMayFail)) faults.push(message.text());
    });
    return context;
  };

  /** A page of a new visitor, at this hash. */
  the.open = async (hash = "", options = {}) => {
    const context = await the.visitor(options);
    const page = await context.newPage();
    await page.goto(`/${hash}`);
    return page;
  };

  /** From here on requests fail by intent: a server is stopped, a POST is refused. */
  the.letLoadsFail = () => (loadsMayFail = true);
  return the;
}

/**
 * Runs in every page before its own script: tells of refusals by the CSP, knows every `EventSource`, and keeps the
 * page from noticing its end where `globalThis.diesSilently` says so.
 */
function watch() {
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
    console.error(`CSP: ${violatedDirective} ${blockedURI} ${sample}`),
  );
  const silence = (event) => globalThis.diesSilently && event.stopImmediatePropagation();
  for (const type of ["pagehide", "visibilitychange"]) addEventListener(type, silence, { capture: true });
  globalThis.sources = [];
  globalThis.EventSource = class extends EventSource {
    constructor(...parameters) {
      super(...parameters);
      globalThis.sources.push(this);
    }
  };
}

/** Makes a page believe that it is seen, or not. */
export const setVisibility = (page, state) =>
  page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);

/** Gives a visitor a token, as a site does that logs people in. */
export const signIn = (context, token, base) =>
  context.addCookies([{ name: "ssedge_token", value: token, url: base, sameSite: "Strict" }]);

/** The paths of the streams that a page holds open. */
export const openStreams = (page) =>
  page.evaluate(() =>
    globalThis.sources.filter(({ readyState }) => readyState !== 2).map(({ url }) => new URL(url).pathname),
  );

/** A text field of the page, by the whole of its label. */
export const field = (page, name) => page.getByRole("textbox", { name, exact: true });

/** Says something in the room that the page shows. */
export async function say(page, text) {
  await field(page, "Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/** Cuts the connection of a feed by the wire panel, once the feed is live: before that there is nothing to resume. */
export async function beginCut(page, feed) {
  await inState(page, feed, "live");
  await page.selectOption("#wire select", feed);
  await page.getByRole("button", { name: "Cut for 5 s" }).click();
}

/** Cuts the connection of a feed by the wire panel, and waits until the page knows. */
export async function cut(page, feed) {
  await beginCut(page, feed);
  await inState(page, feed, "reconnecting");
}

/** The ids of the chat messages that the page shows, in order. */
export const shownIds = (page) =>
  page.$$eval("#chat .messages li", (lines) => lines.map((line) => line.dataset.id));

/** Waits until a panel is in this state. */
export const inState = (page, panel, state) => page.waitForSelector(`#${panel}[data-state=${state}]`);

/** Waits until the page shows exactly these messages, each once and in this order. */
export async function showsExactly(page, ids) {
  const wanted = ids.join();
  await page
    .waitForFunction(
      (last) => document.querySelector(`#chat .messages li[data-id="${last}"]`) !== null,
      ids.at(-1),
    )
    .catch(() => {});
  assert.equal((await shownIds(page)).join(), wanted);
}

/** Waits until a condition of this side holds. */
export async function eventually(what, condition) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) assert.fail(`it never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const readAxe = () => readFile("node_modules/axe-core/axe.min.js", "utf8");
