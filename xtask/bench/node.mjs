// Serves a peer in Node: `node node.mjs PEER`. Prints its port. It ends when its standard input does.
import { createServer } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { default: listener } = await import(pathToFileURL(resolve(process.argv[2])));
const server = createServer(listener);
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
