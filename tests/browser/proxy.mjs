// A proxy between browser and host that can fall silent, as some do: it keeps connections open and passes nothing more.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { freePort } from "./hosts.mjs";

export async function startProxy(base) {
  /** Each open stream, by what makes it silent for good. */
  const streams = new Set();
  let answers = true;
  const server = createServer((asked, answer) => {
    if (!answers) return;
    const { method, url, headers } = asked;
    const passed = request(base() + url, { method, headers }, (response) => {
      answer.writeHead(response.statusCode, response.headers);
      answer.flushHeaders();
      let isSilent = false;
      const silence = () => (isSilent = true);
      if (response.headers["content-type"]?.startsWith("text/event-stream")) streams.add(silence);
      response.on("data", (data) => isSilent || answer.write(data));
      response.on("end", () => isSilent || answer.end());
      response.on("error", () => isSilent || answer.destroy());
      answer.on("close", () => {
        streams.delete(silence);
        passed.destroy();
      });
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  server.listen(await freePort(), "127.0.0.1");
  await once(server, "listening");
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    /** The streams of now pass nothing more. */
    silenceStreams: () => streams.forEach((silence) => silence()),
    /** Nor is any other request answered, until `heal`; what is silent stays so. */
    silence() {
      answers = false;
      this.silenceStreams();
    },
    heal: () => (answers = true),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
