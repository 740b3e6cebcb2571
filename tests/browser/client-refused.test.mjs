// The client module by itself: what it does when it gets no stream, or one that ends by intent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, follow, has, openClient, problem, reader, state, states, stream, texts, told } from "./client.mjs";
import { startHost } from "./hosts.mjs";
import { signIn, suite } from "./suite.mjs";
import { endingToken, token } from "./token.mjs";

const the = suite();

for (const [status, kind] of [[400, "invalid"], [401, "unauthorized"], [403, "forbidden"], [404, "not-found"], [406, "not-acceptable"]]) {
  test(`a ${status} closes it, with the server's reason, after one question`, async () => {
    the.letLoadsFail();
    const feed = `/api/chat/client-${status}`;
    const page = await openClient(await the.visitor());
    const requests = await answers(page, feed, problem(status, kind));
    await follow(page, feed);
    const { name, reason, type, detail, status: told } = await state(page, "closed");
    assert.deepEqual([name, reason, told], ["closed", "refused", status]);
    assert.deepEqual([type, detail], [`urn:ssedge:problem:${kind}`, `it is ${kind}`]);
    await page.waitForTimeout(1_500);
    assert.deepEqual(requests.map((request) => request.headers().accept), ["text/event-stream", "application/json"]);
  });
}

test("a real refusal has the server's own words", async () => {
  the.letLoadsFail();
  const page = await openClient(await the.visitor());
  await follow(page, `/api/chat/lobby?access_token=${token({ subscribe: [] })}`);
  const { status, type } = await state(page, "closed");
  assert.deepEqual([status, type], [403, "urn:ssedge:problem:forbidden"]);
});

for (const [status, reason] of [[429, "full"], [503, "unavailable"]]) {
  test(`a ${status} waits as long as the server says, and says why`, async () => {
    the.letLoadsFail();
    const feed = `/api/chat/client-${status}`;
    const page = await openClient(await the.visitor());
    const refusal = problem(status, "busy", { "Retry-After": "2" });
    await answers(page, feed, refusal, refusal, "real");
    await follow(page, feed);
    await state(page, "live");
    const { states } = await told(page);
    const { at, toldAt } = states.find((state) => state.reason === reason);
    assert.ok(at - toldAt > 1_500 && at - toldAt < 2_600, `it comes back after 2 s, not ${at - toldAt} ms`);
    assert.ok(states.at(-1).toldAt >= at, "and does not come sooner");
  });
}

test("any other failure is tried again after a pause of its own", async () => {
  the.letLoadsFail();
  const feed = "/api/chat/client-500";
  const page = await openClient(await the.visitor());
  await answers(page, feed, problem(500, "internal"), problem(500, "internal"), "real");
  await follow(page, feed);
  await state(page, "live");
  assert.ok(!(await states(page)).includes("closed"));
});

test("a stream that ends without any event was never live: the server is full", async () => {
  const feed = "/api/chat/client-full";
  const page = await openClient(await the.visitor());
  const requests = await answers(page, feed, stream("retry: 12000\n\n"));
  await follow(page, feed);
  const { reason, at, toldAt } = await state(page, "reconnecting");
  assert.equal(reason, "full");
  assert.ok(at - toldAt >= 9_500 && at - toldAt <= 30_050, `it comes back after 10 to 30 s, not ${at - toldAt} ms`);
  await page.waitForTimeout(1_500);
  assert.deepEqual(await states(page), ["connecting", "reconnecting"]);
  assert.equal(requests.length, 1);
});

test("a gap is live too", async () => {
  const feed = "/api/chat/client-gap";
  const page = await openClient(await the.visitor());
  const gap = 'event: gap\nid: 6\ndata: {"reason":"expired","requested":"1","resumes_after":"6"}\n\n';
  await answers(page, feed, stream(`retry: 60000\n${gap}id: 7\ndata: {"text":"after"}\n\n`));
  await follow(page, feed, { cursor: "1" });
  await has(page, 1);
  assert.deepEqual((await told(page)).gaps, [{ reason: "expired", requested: "1", resumesAfter: "6" }]);
  assert.deepEqual((await states(page)).slice(0, 2), ["connecting", "live"]);
  assert.equal(await reader(page, "cursor"), "7");
});

test("a message may have the name of an event that EventSource has itself", async () => {
  const feed = "/api/chat/client-names";
  const page = await openClient(await the.visitor());
  const cursor = 'event: cursor\nid: 5\ndata: {"cursor":"5"}\n\n';
  const named = ["error", "open", "message"].map((name, at) => `event: ${name}\nid: ${at + 6}\ndata: {}\n\n`).join("");
  const requests = await answers(page, feed, stream(`retry: 60000\n${cursor}${named}`));
  await follow(page, feed, { events: ["error", "open", "message"] });
  await has(page, 3);
  const { entries } = await told(page);
  assert.deepEqual(entries.map(({ id, event }) => [id, event]), [["6", "error"], ["7", "open"], ["8", "message"]]);
  await page.waitForTimeout(1_500);
  assert.equal(requests.length, 1);
  // Their end is that of the stream, and none of them is taken for it.
  assert.deepEqual(await states(page), ["connecting", "live", "reconnecting"]);
});

test("when the token expires and nobody renews it, the feed is closed with the reason", async () => {
  the.letLoadsFail();
  const page = await openClient(await the.visitor());
  await signIn(page.context(), endingToken(), the.host.base);
  await follow(page, "/api/chat/client-expired");
  await state(page, "live");
  const { status, detail } = await state(page, "closed");
  assert.equal(status, 401);
  assert.match(detail, /expired/);
});

test("when the token expires and the cookie was renewed, the feed goes on and misses nothing", async () => {
  const room = "client-renewed";
  const visitor = await the.visitor();
  const tabs = [await openClient(visitor), await openClient(visitor)];
  await signIn(visitor, endingToken(), the.host.base);
  for (const page of tabs) await follow(page, `/api/chat/${room}`);
  for (const page of tabs) await state(page, "live");
  await the.host.say("before", { room });
  await signIn(visitor, token(), the.host.base);
  for (const page of tabs) await state(page, "reconnecting");
  await the.host.say("after", { room });
  for (const page of tabs) {
    await has(page, 2);
    assert.deepEqual(await texts(page), ["before", "after"]);
    assert.deepEqual(await states(page), ["connecting", "live", "reconnecting", "live"]);
    assert.deepEqual((await told(page)).gaps, []);
  }
});

test("cookies go to another origin if they are to", async () => {
  the.letLoadsFail();
  const other = await startHost({ ALLOWED_ORIGINS: the.host.base });
  try {
    // A page that a test has made up is not taken for one of this machine.
    const visitor = await the.visitor({ permissions: ["local-network-access"] });
    // Cookies know hosts, and no ports.
    await signIn(visitor, "no.token.atall", the.host.base);
    const page = await openClient(visitor);
    await follow(page, `${other.base}/api/chat/lobby`);
    await state(page, "live");
    await page.evaluate(() => globalThis.reader.close());
    await follow(page, `${other.base}/api/chat/lobby`, { withCredentials: true });
    const { status } = await state(page, "closed");
    assert.equal(status, 401);
  } finally {
    await other.close();
  }
});
