// Hono's `streamSSE` on Node.
import { getRequestListener } from "@hono/node-server";
import { room } from "./hono.mjs";

export default getRequestListener(room().fetch);
