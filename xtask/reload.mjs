// Makes the page of the Worker load itself again after a build, by a module around the built one.
import { readFileSync } from "node:fs";

const SCRIPT = readFileSync(new URL("reload.js", import.meta.url), "utf8");

/** The text of a module around `main`: the same Worker, whose page also runs reload.js. `build` names what is served. */
export const reloading = (build) => (main) => `
import { WorkerEntrypoint } from "cloudflare:workers";
import Worker from ${JSON.stringify(main)};
export * from ${JSON.stringify(main)};

const OWN = {
  "/__dev/build": [${JSON.stringify(build)}, "text/plain"],
  "/__dev/reload.js": [${JSON.stringify(SCRIPT)}, "text/javascript"],
};
const TAG = ${JSON.stringify(`<script type="module" src="/__dev/reload.js?build=${build}"></script>`)};

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const worker = new Worker(this.ctx, this.env);
    const { pathname } = new URL(request.url);
    const own = OWN[pathname];
    if (own) return new Response(own[0], { headers: { "Content-Type": own[1], "Cache-Control": "no-store" } });
    if (pathname !== "/" || request.method !== "GET") return worker.fetch(request);
    // A page that a browser has kept would name an older build.
    const headers = new Headers(request.headers);
    headers.delete("If-None-Match");
    headers.delete("If-Modified-Since");
    const answer = await worker.fetch(new Request(request, { headers }));
    if (!answer.headers.get("Content-Type")?.startsWith("text/html")) return answer;
    const page = new HTMLRewriter().on("head", { element: (head) => void head.append(TAG, { html: true }) }).transform(answer);
    const changed = new Response(page.body, page);
    changed.headers.delete("ETag");
    changed.headers.set("Cache-Control", "no-store");
    return changed;
  }
}
`;
