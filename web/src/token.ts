/**
 * The token of this browser: who speaks, and what they may do. It is kept in a cookie, which goes with every stream
 * and every POST by itself; in a URL it would end up in logs.
 */
import { whyNot } from "./api.js";
import { complain, find } from "./dom.js";
import { inEveryLanguage, texts, whatIsWrong } from "./strings.js";

const COOKIE = "ssedge_token";
/** A JSON Web Token: three parts in base64url. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** All tabs of this site share the cookie. */
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("ssedge token") : undefined;
const listeners: (() => void)[] = [];

/** Called when there is another token, or none any more. */
export const onTokenChange = (listener: () => void) => void listeners.push(listener);

/** What a token says of its holder. Only the server can tell whether that is true. */
interface Holder {
  readonly sub?: string;
  /** When it ends, in unix ms. */
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
let complaint: (() => string) | undefined;
let refusal: (() => string) | undefined;

/** Says what is wrong with the token, where it can be mended. */
export function blameToken(why: () => string) {
  form.togglePopover(true);
  blame(why);
  field.focus();
}

/** The server refuses the token that is kept, or without `why` takes it. All feeds find out, and it is said once. */
export function tokenRefused(why?: () => string) {
  refusal = why;
  const text = why?.() ?? "";
  if (note.textContent !== text) note.textContent = text;
}

function blame(why?: () => string) {
  complaint = why;
  complain(field, why?.() ?? "");
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
    if (!TOKEN.test(token)) return blame(() => texts().badToken);
    // One that is refused would end the feeds: the server is asked before any of them has it.
    const refusal = await whyNot(token);
    if (field.value.trim() !== token) return;
    if (refusal) return blame(() => whatIsWrong(refusal));
    write(token);
    if (read() !== token) return blame(() => texts().tokenNotKept);
    accept();
  };
  find<HTMLButtonElement>(form, ".forget").onclick = () => {
    write("");
    accept();
  };
  function accept() {
    field.value = "";
    blame();
    changed();
    tabs?.postMessage("changed");
    form.hidePopover();
  }
  tabs?.addEventListener("message", changed);
  inEveryLanguage(() => {
    render();
    blame(complaint);
    tokenRefused(refusal);
  });
  // It ends by itself.
  setInterval(render, 1_000);
}
