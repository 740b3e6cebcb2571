// The end of a channel, as a subscription in a browser hears it from a real host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../../packages/client/test/simulated.mjs";
import { follow, openClient, reader, state, told } from "./client.mjs";
import { openStreams, suite } from "./suite.mjs";
import { token } from "./token.mjs";

const { channel } = await load("packages/client/src/publish");

const the = suite();
const path = (name) => `/api/channels/public/${name}`;
const run = (name) => channel(`${the.host.base}${path(name)}`, { token: token() });
const data = async (page) => (await told(page)).entries.map(({ data }) => data);

test("two tabs are told of the end behind the last entry, and hold no stream then", async () => {
  await run("ends").append("before");
  const visitor = await the.visitor();
  const pages = [await openClient(visitor), await openClient(visitor)];
  for (const page of pages) {
    await follow(page, `${path("ends")}?history=all`, { events: ["step"] });
    await state(page, "live");
  }
  await run("ends").append(["a\nb", { x: 1 }], { event: "step" });
  const { last } = await run("ends").close("full");
  for (const page of pages) {
    const { reason, end } = await state(page, "closed");
    assert.deepEqual([reason, end], ["ended", { reason: "full", last }]);
    assert.deepEqual(await data(page), ["before", "a\nb", '{"x":1}']);
    assert.deepEqual(await openStreams(page), []);
  }
});

test("who comes back to a channel that was closed is told by which reason, and has its last entries before", async () => {
  const { first, last } = await run("back").append(["one", "two"], { close: true, reason: "stopped" });
  the.letLoadsFail();
  for (const [cursor, expected] of [[first, ["two"]], [last, []], [undefined, []]]) {
    const page = await openClient(await the.visitor());
    await follow(page, path("back"), { ...(cursor && { cursor }) });
    const { reason, end } = await state(page, "closed");
    assert.deepEqual([reason, end], ["ended", { reason: "stopped", last }], `from ${cursor} on`);
    assert.deepEqual(await data(page), expected, `from ${cursor} on`);
    assert.equal(await reader(page, "cursor"), expected.length > 0 ? last : cursor);
  }
});

test("a channel that is deleted ends, too", async () => {
  await run("deleted").append("a");
  const page = await openClient(await the.visitor());
  await follow(page, `${path("deleted")}?history=all`);
  await state(page, "live");
  await run("deleted").delete();
  assert.equal((await state(page, "closed")).end.reason, "deleted");
});
