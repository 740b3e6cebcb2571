// The example of a chat: whatever happens while an answer comes, each tab shows all of it, once and in order, and its end.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { freePort } from "./hosts.mjs";
import { suite } from "./suite.mjs";
import { SECRET } from "./token.mjs";

/** What the model says. */
const WHOLE = Array.from({ length: 2_000 }, (_, index) => `${index + 1} `).join("");
/** Seconds: as short as a lease may be, and longer than a host takes to start on a busy machine. */
const [SHORT, LONG] = ["5", "90"];

const the = suite();
let line;
let backend;
let visitor;
/** The chat of the example is one for all: each test has a question more. */
let asked = 0;

// The example imports the client as its users do.
before(() => promisify(execFile)(process.execPath, ["node_modules/typescript/bin/tsc", "--project", "packages/client"]));
before(async () => (line = await startLine()));
after(() => line?.close());
beforeEach(() => start());
afterEach(() => backend.stop());

/** What everybody reaches the host by. A browser that goes offline keeps the streams that it has: `cut` breaks them. */
async function startLine() {
  const sockets = new Set();
  const server = createServer((socket) => {
    const further = connect(new URL(the.host.base).port, "127.0.0.1");
    sockets.add(socket);
    socket.pipe(further).pipe(socket);
    socket.on("error", () => {}).on("close", () => further.destroy() && sockets.delete(socket));
    further.on("error", () => {}).on("close", () => socket.destroy());
  });
  server.listen(await freePort(), "127.0.0.1");
  await once(server, "listening");
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return { base: `http://127.0.0.1:${server.address().port}`, cut, close: () => (cut(), server.close()) };
}

async function start(LEASE = LONG) {
  const env = { ...process.env, SSEDGE: line.base, AUTH_SECRET: SECRET, PORT: "0", LEASE };
  const child = spawn(process.execPath, ["examples/ai-chat/server.mjs"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await once(child.stdout, "data");
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  backend = { base: String(said).trim(), stop };
  visitor = await the.visitor({ baseURL: backend.base });
}

async function open() {
  const page = await visitor.newPage();
  await page.goto("/");
  await page.waitForSelector("form");
  return page;
}

/** Asks, and waits for the first words. */
async function ask(page) {
  asked += 1;
  await page.getByRole("textbox", { name: "Question" }).fill(`Count, for the ${asked}th time.`);
  await page.getByRole("button", { name: "Send" }).click();
  await says(page, 20);
}

/** The answer to the newest question, as a page shows it. */
const shown = (page) =>
  page.evaluate((asked) => document.querySelectorAll(".user")[asked - 1].nextElementSibling.textContent, asked);

/** Waits until so many words of the newest answer are shown. */
const says = (page, count) =>
  page.waitForFunction(
    ([asked, count]) => {
      const answer = document.querySelectorAll(".user")[asked - 1]?.nextElementSibling;
      return answer?.className === "assistant" && answer.textContent.split(" ").length > count;
    },
    [asked, count],
  );

/** Waits for the end of the answer: what is said of it, and its text. */
async function end(page) {
  await page.getByRole("button", { name: "Send" }).waitFor();
  return { said: await page.getByRole("status").textContent(), text: await shown(page) };
}

async function areWhole(...pages) {
  for (const page of pages) {
    const { said, text } = await end(page);
    assert.equal(said, "");
    assert.ok(text === WHOLE, `the answer is whole, but was ${text.length} long: …${text.slice(-40)}`);
  }
}

test("a page that is reloaded in the middle, and a second tab, show the whole answer", async () => {
  const page = await open();
  await ask(page);
  const second = await open();
  await says(second, 20);
  await page.reload();
  await says(page, 20);
  assert.notEqual(await shown(page), WHOLE, "the answer was under way");
  await areWhole(page, second);
  await page.reload();
  await says(page, 1_999);
  await areWhole(page);
});

test("a second tab stops the answer, and both show the same part of it", async () => {
  const page = await open();
  await ask(page);
  const second = await open();
  await says(second, 20);
  await second.getByRole("button", { name: "Stop" }).click();
  const [first, other] = [await end(page), await end(second)];
  assert.equal(first.said, "Stopped.");
  assert.deepEqual(other, first);
  assert.ok(WHOLE.startsWith(first.text) && first.text.length < WHOLE.length, "it is the beginning of the answer");
  await page.reload();
  await says(page, 20);
  assert.deepEqual(await end(page), first, "it is the same after a reload");
});

test("a browser that is offline for 5 s shows the whole answer", async () => {
  the.letLoadsFail();
  const page = await open();
  await ask(page);
  const second = await open();
  await says(second, 20);
  await visitor.setOffline(true);
  line.cut();
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  await visitor.setOffline(false);
  await areWhole(page, second);
});

test("when the process that answers is killed, each tab says that the answer broke off", async () => {
  the.letLoadsFail();
  await backend.stop();
  await start(SHORT);
  const page = await open();
  await ask(page);
  const second = await open();
  await says(second, 20);
  await backend.stop();
  const [first, other] = [await end(page), await end(second)];
  assert.match(first.said, /its server is gone/);
  assert.deepEqual(other, first);
  assert.ok(WHOLE.startsWith(first.text) && first.text.length < WHOLE.length, "it is the beginning of the answer");
  await start();
  const later = await open();
  await says(later, 20);
  assert.deepEqual(await end(later), first, "a new process has it, too");
});

test("when the host is restarted in the middle, the answer is whole all the same", async () => {
  the.letLoadsFail();
  const page = await open();
  await ask(page);
  const second = await open();
  await says(second, 20);
  await the.host.restart();
  await areWhole(page, second);
  const later = await open();
  await says(later, 1_999);
  await areWhole(later);
});
