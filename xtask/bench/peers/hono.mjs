// A room by Hono's `streamSSE`, for a Durable Object and for Node.
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";

export function room() {
  const readers = new Set();
  let last = 0;
  const app = new Hono();

  app.get("/room", (c) =>
    streamSSE(c, async (stream) => {
      const left = new Promise((resolve) => stream.onAbort(resolve));
      readers.add(stream);
      await left;
      readers.delete(stream);
    }),
  );

  app.post("/room", async (c) => {
    const { text } = await c.req.json();
    const message = { id: ++last, text };
    const event = { id: String(message.id), data: JSON.stringify(message) };
    // Nobody waits here for a reader who is slow.
    for (const stream of readers) stream.writeSSE(event);
    return c.json(message, 201);
  });

  return app;
}
