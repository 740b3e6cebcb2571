// The client module by itself, on a page that has nothing else, and what it tells there.
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: ["packages/client/src/index.ts"],
  bundle: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const prepared = new WeakSet();
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import { subscribe } from "/client.js";
  globalThis.subscribe = subscribe;
</script>`;

/** A page that has the client, of this visitor. */
export async function openClient(visitor) {
  if (!prepared.has(visitor)) {
    prepared.add(visitor);
    await visitor.route("**/client.html", (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
    const body = outputFiles[0].text;
    await visitor.route("**/client.js", (route) => route.fulfill({ contentType: "text/javascript", body }));
  }
  const page = await visitor.newPage();
  await page.goto("/client.html");
  await page.waitForFunction(() => globalThis.subscribe);
  return page;
}

/** Follows a feed, and keeps what is told in `globalThis.told`. `signal: true` stands for `globalThis.abort`'s. */
export const follow = (page, feed, options = {}) =>
  page.evaluate(
    ([feed, { signal, ...options }]) => {
      globalThis.abort = new AbortController();
      globalThis.told = { entries: [], gaps: [], states: [] };
      const { entries, gaps, states } = globalThis.told;
      globalThis.reader = globalThis.subscribe(feed, {
        ...options,
        ...(signal && { signal: globalThis.abort.signal }),
        onEntry: (entry) => entries.push(entry),
        onGap: (gap) => gaps.push(gap),
        onState: (state) => states.push({ ...state, toldAt: Date.now() }),
      });
    },
    [feed, options],
  );

export const told = (page) => page.evaluate(() => globalThis.told);
export const reader = (page, name) => page.evaluate((name) => globalThis.reader[name], name);
export const texts = async (page) => (await told(page)).entries.map(({ data }) => JSON.parse(data).text);
/** The names of the states, in order; what is told twice in a row counts once. */
export const states = async (page) =>
  (await told(page)).states.map(({ name }) => name).filter((name, at, names) => name !== names[at - 1]);
export const has = (page, count) => page.waitForFunction((count) => globalThis.told.entries.length >= count, count);

/** Waits until it is told a state of this name, and gives that back. */
export async function state(page, name) {
  const found = await page.waitForFunction((name) => globalThis.told.states.find((state) => state.name === name), name);
  return found.jsonValue();
}

/** Answers for a feed: each time with the next of these, then with the last again. */
export async function answers(page, feed, ...given) {
  const requests = [];
  await page.route(`**${feed}*`, (route) => {
    requests.push(route.request());
    const next = given[Math.min(requests.length, given.length) - 1];
    return next === "real" ? route.continue() : route.fulfill(next);
  });
  return requests;
}

export const stream = (body) => ({ contentType: "text/event-stream", body });
export const problem = (status, kind, headers = {}) => ({
  status,
  headers,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: `urn:ssedge:problem:${kind}`, status, detail: `it is ${kind}` }),
});

