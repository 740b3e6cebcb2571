/**
 * The token of this browser: it says who its holder is and what the holder may do. It is kept in a cookie, which the
 * browser sends with each stream and each POST. In a URL, it would be written into logs.
 */
import { checkToken } from "./api.js";
import { find, showFieldProblem } from "./dom.js";
import { inEveryLanguage, refusalText, texts } from "./strings.js";

const COOKIE = "ssedge_token";
/** A JSON Web Token: three parts in base64url. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** All tabs of this site share the cookie. */
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("ssedge token") : undefined;
const listeners: (() => void)[] = [];

/** `listener` is called when the token was changed or removed. */
export const onTokenChange = (listener: () => void) => void listeners.push(listener);

/** What a token says about its holder. Only the server can check whether that is true. */
interface Holder {
  readonly sub?: string;
  /** When the token expires, in unix ms. */
  readonly expires?: number;
}

/** The holder, if there is a token. */
export function holder(): Holder | undefined {
  const token = read();
  if (token === undefined) return undefined;
  try {
    const payload = atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const claims: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (char) => char.charCodeAt(0))));
    const { sub, exp } = claims as { sub?: unknown; exp?: unknown };
    return { ...(typeof sub === "string" && { sub }), ...(typeof exp === "number" && { expires: exp * 1_000 }) };
  } catch {
    return {};
  }
}

function read(): string | undefined {
  const pair = document.cookie.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
  return pair?.slice(COOKIE.length + 1) || undefined;
}

function write(token: string) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const end = token ? "" : "; Max-Age=0";
  document.cookie = `${COOKIE}=${token}; Path=/; SameSite=Strict${secure}${end}`;
}

const button = find<HTMLButtonElement>(document, "#token-button");
const form = find<HTMLFormElement>(document, "#token");
const field = find<HTMLInputElement>(form, "input");
const words = find(form, "[role=status]");
const note = find(document, "#token-refused");
let problem: (() => string) | undefined;
let refusal: (() => string) | undefined;

/** Opens the form of the token, and says there what is wrong with the token. */
export function showTokenProblem(why: () => string) {
  form.togglePopover(true);
  showProblem(why);
  field.focus();
}

/** Says once for all feeds why the server refuses the token. Without `why`, the server accepts it. */
export function tokenRefused(why?: () => string) {
  refusal = why;
  const text = why?.() ?? "";
  if (note.textContent !== text) note.textContent = text;
}

function showProblem(why?: () => string) {
  problem = why;
  showFieldProblem(field, why?.() ?? "");
}

function render() {
  const { token, noToken, over, tokenOf, tokenOfNobody, tokenExpired } = texts();
  const known = holder();
  const isOver = known?.expires !== undefined && known.expires <= Date.now();
  const name = known?.sub ?? tokenOfNobody;
  const expires = known?.expires === undefined ? undefined : new Date(known.expires);
  const text = !known ? noToken : isOver ? tokenExpired(name) : tokenOf(name, expires);
  if (words.textContent !== text) words.textContent = text;
  const label = known ? `${token}: ${isOver ? over : name}` : token;
  if (button.textContent !== label) button.textContent = label;
  button.toggleAttribute("data-over", isOver);
  find<HTMLButtonElement>(form, ".forget").hidden = !known;
}

function changed() {
  tokenRefused();
  render();
  for (const listener of listeners) listener();
}

export function startToken() {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const token = field.value.trim();
    if (!TOKEN.test(token)) return showProblem(() => texts().badToken);
    // A token that the server refuses would end all feeds. So it is checked before the feeds use it.
    const refusal = await checkToken(token);
    if (field.value.trim() !== token) return;
    if (refusal) return showProblem(() => refusalText(refusal));
    write(token);
    if (read() !== token) return showProblem(() => texts().tokenNotKept);
    accept();
  };
  find<HTMLButtonElement>(form, ".forget").onclick = () => {
    write("");
    accept();
  };
  function accept() {
    field.value = "";
    showProblem();
    changed();
    tabs?.postMessage("changed");
    form.hidePopover();
  }
  tabs?.addEventListener("message", changed);
  inEveryLanguage(() => {
    render();
    showProblem(problem);
    tokenRefused(refusal);
  });
  // A token expires without an event that would say so.
  setInterval(render, 1_000);
}
