// The example of notifications, by each of its backends: what came while the page was closed is shown when it opens.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import assert from "node:assert/strict";
import { suite } from "./suite.mjs";
import { SECRET } from "./token.mjs";

const BACKENDS = {
  JavaScript: [process.execPath, "examples/notifications/server.mjs"],
  Python: ["python3", "examples/notifications/server.py"],
};

const the = suite();

/** Starts a backend, which says where it is. */
async function start([program, file]) {
  const env = { ...process.env, SSEDGE: the.host.base, AUTH_SECRET: SECRET, PORT: "0" };
  const child = spawn(program, [file], { env, stdio: ["ignore", "pipe", "ignore"] });
  const [said] = await once(child.stdout, "data");
  const stop = async () => {
    child.kill();
    await once(child, "exit");
  };
  return { base: String(said).trim(), stop };
}

for (const [language, backend] of Object.entries(BACKENDS)) {
  test(`each user sees what came while the page was closed, once: ${language}`, async () => {
    const { base, stop } = await start(backend);
    try {
      const user = language.toLowerCase();
      const order = async (number, whose = user) => {
        const answer = await fetch(`${base}/order?number=${number}&user=${whose}`, { method: "POST" });
        assert.equal(answer.status, 201);
      };
      const visitor = await the.visitor({ baseURL: base });
      const shows = async (...numbers) => {
        const page = await visitor.newPage();
        await page.goto(`/?user=${user}`);
        await page.waitForFunction((count) => document.querySelectorAll("#inbox li").length >= count, numbers.length);
        await page.waitForFunction(() => document.querySelector("#state").textContent === "live");
        const shown = await page.$$eval("#inbox li", (lines) => lines.map((line) => line.textContent));
        assert.deepEqual(shown, numbers.map((number) => `Your order ${number} is on its way.`));
        return page;
      };
      await order(1);
      await order(99, "somebody-else");
      const page = await shows(1);
      await order(2);
      await page.waitForFunction(() => document.querySelectorAll("#inbox li").length === 2);
      await page.close();
      await order(3);
      await order(4);
      await (await shows(3, 4)).close();
    } finally {
      await stop();
    }
  });
}
