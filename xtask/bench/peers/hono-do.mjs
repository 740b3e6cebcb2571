// Hono's `streamSSE` in a Durable Object.
import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";
import { room } from "./hono.mjs";

export class Room extends DurableObject {
  app = room();

  fetch(request) {
    return this.app.fetch(request);
  }
}

const app = new Hono();
app.all("/room", (c) => c.env.ROOMS.getByName("room").fetch(c.req.raw));

export default app;
