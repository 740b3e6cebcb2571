// Modules of the client and of the page without a browser, in simulated time: an hour passes in milliseconds, and chance is a seed.
import { afterEach, beforeEach, mock } from "node:test";
import { build } from "esbuild";

/** Timers fire at these steps, in ms. */
const STEP_MS = 10;

/** Imports a module by its path from the root, without `.ts`, and what that imports. */
export const load = (module) => bundled({ entryPoints: [`${module}.ts`] });

/** Runs a text as a module that uses the package. */
export const runText = (contents) => bundled({ stdin: { contents, resolveDir: "." } });

const source = (name) => `./packages/client/src/${name}.ts`;
/** Where the package is, for what imports it by its name. */
export const ENTRIES = { "ssedge/publish": source("publish"), "ssedge/ai": source("ai"), "ssedge/react": source("react"), ssedge: source("index") };

let count = 0;

async function bundled(what) {
  const { outputFiles } = await build({ ...what, alias: ENTRIES, bundle: true, format: "esm", target: "es2022", write: false });
  // The comment makes each a module of its own, so that a text can run twice.
  const unique = `//${(count += 1)}\n${outputFiles[0].text}`;
  return import(`data:text/javascript;base64,${Buffer.from(unique).toString("base64")}`);
}

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed: mulberry32. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lets everything run that waits for no timer. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Lets so much time pass, in ms. */
export async function pass(millis) {
  for (let passed = 0; passed < millis; passed += STEP_MS) {
    mock.timers.tick(Math.min(STEP_MS, millis - passed));
    await settle();
  }
}

const { random } = Math;

/** Simulates time in the tests of one file, and draws by a seed, or as a test says by `Math.random = …`. */
export function simulateTime() {
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_795_341_600_000 });
    Math.random = seeded(7);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
    Math.random = random;
  });
}

/** Stands in for `fetch`: each request gets the next of these answers, then the last again. Gives back the requests. */
export function answerFetches(...answers) {
  const requests = [];
  mock.method(globalThis, "fetch", async (url, options) => {
    requests.push({ at: Date.now(), url: String(url), ...options });
    const [status, headers = {}, body = null] = answers[Math.min(requests.length, answers.length) - 1];
    if (status === 0) throw new TypeError("no answer");
    return new Response(body, { status, headers });
  });
  return requests;
}

/** The pauses between moments, in ms. */
export const pauses = (moments) => moments.slice(1).map((at, before) => at - moments[before]);
