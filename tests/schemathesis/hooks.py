"""What schemathesis cannot read from the OpenAPI document: tokens, which symbols there are, why something is refused.

`cargo xtask test` runs it against both hosts. SSEDGE_AUTH_SECRET is the host's AUTH_SECRET, and SSEDGE_ANSWERS the file
that is to tell which answers came. Whatever is drawn here is drawn from the case, so a case is always the same.
"""

import ast
import atexit
import base64
import hashlib
import hmac
import json
import os
import re
import threading
import time
import zlib
from collections import Counter
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import schemathesis
from schemathesis.core import NOT_SET
from schemathesis.core.failures import Failure

SECRET = os.environ["SSEDGE_AUTH_SECRET"].encode()
COOKIE, QUERY = "ssedge_token", "access_token"
FOREIGN = "https://elsewhere.example"
LIMITS = (Path(__file__).resolve().parents[2] / "shared/src/limits.rs").read_text()
BODY_BYTES = 1024 * int(re.search(r"const BODY_BYTES: usize = (\d+) \* 1024;", LIMITS).group(1))
ENTRY_BYTES = 1024 * int(re.search(r"const ENTRY_BYTES: usize = (\d+) \* 1024;", LIMITS).group(1))
CHANNEL = "/api/channels/{name}"
FEED = re.compile(r"/api/(events|stock|chat|chat/\{room\}|channels/\{name\})")
# What the deployment lists, and how many it may list.
SYMBOLS = ["ACME", "GLBX", "INTK", "HOOL", "SOYX", "TYRL", "VEHX", "ZORG"]
SYMBOLS_MAX = 500
NEITHER = "text/html"
ACCEPTS = ["*/*", "application/json", "text/event-stream", "application/json;q=0.5, */*;q=0.1", NEITHER]
# What HTTP itself adds to an answer, and the platforms in front of the hosts.
TRANSPORT = {"connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding"}
PLATFORM = {"cf-cache-status", "x-amzn-requestid", "x-amzn-trace-id"}

# CPython before 3.11.8 fails where two threads parse at the same time (python/cpython#106905), and hypothesis parses.
parse, parsing = ast.parse, threading.Lock()


def parse_alone(*args, **kwargs):
    with parsing:
        return parse(*args, **kwargs)


ast.parse = parse_alone


def draw(case, purpose):
    drawn_from = (purpose, case.method, case.path, case.path_parameters, case.query, case.body)
    return zlib.crc32(repr(drawn_from).encode("utf-8", "replace"))


# --- Callers ---


class Caller(NamedTuple):
    """Who has this token."""

    token: str
    may_all: bool = False
    is_good: bool = True
    sub: str | None = None


def signed(claims, algorithm="HS256", secret=SECRET):
    def part(raw):
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    head, body = (part(json.dumps(value).encode()) for value in ({"alg": algorithm, "typ": "JWT"}, claims))
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}.get(algorithm)
    signature = hmac.new(secret, f"{head}.{body}".encode(), digest).digest() if digest else b""
    return f"{head}.{body}.{part(signature)}"


NOW = int(time.time())
LATER = NOW + 3_600
ALL = {"exp": LATER, "subscribe": ["*"], "publish": ["*"]}
SERVICE = Caller(signed(ALL), may_all=True)
ADA = Caller(signed(ALL | {"sub": "ada"}), may_all=True, sub="ada")
GUEST = Caller(signed({"exp": LATER, "subscribe": ["events/orders"], "publish": ["chat/lobby"]}))
REFUSED = [
    Caller(token, is_good=False)
    for token in (
        "x",
        SERVICE.token[:-1],
        signed(ALL, secret=b"another secret of thirty-two bytes"),
        signed(ALL, "none"),
        signed(ALL, "HS512"),
        signed(ALL | {"exp": NOW - 60}),
        signed(ALL | {"nbf": LATER}),
        signed({"subscribe": ["*"]}),
        signed(ALL | {"exp": "tomorrow"}),
        signed(ALL | {"publish": "*"}),
        signed(ALL | {"padding": "x" * 8_192}),
    )
]
NOBODY = None
CALLERS = [SERVICE] * 20 + [ADA] * 10 + [NOBODY] * 10 + [GUEST] * 4 + REFUSED
KNOWN = {caller.token: caller for caller in CALLERS if caller}


def takes_tokens(case):
    return any(True for _ in case.operation.security.iter_parameters())


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """Gives each case its caller, whose token comes in one of the three places."""

    def get(self, case, context):
        return CALLERS[draw(case, "caller") % len(CALLERS)] if takes_tokens(case) else NOBODY

    def set(self, case, caller, context):
        match draw(case, "place") % 4:
            case 0:
                case.query[QUERY] = caller.token
            case 1:
                case.cookies[COOKIE] = caller.token
                url = urlsplit(case.operation.base_url)
                case.headers["Origin"] = f"{url.scheme}://{url.netloc}" if draw(case, "origin") % 4 else FOREIGN
            case _:
                case.headers["Authorization"] = f"Bearer {caller.token}"


def caller_of(request):
    """Whose token decides."""
    bearer = re.match(r"(?i)bearer +(.+)", request.headers.get("Authorization", ""))
    cookie = SimpleCookie(request.headers.get("Cookie", "")).get(COOKIE)
    query = parse_qs(urlsplit(request.url).query).get(QUERY)
    token = bearer and bearer[1] or cookie and cookie.value or query and query[0]
    return KNOWN.get(token, Caller(token, is_good=False)) if token else NOBODY


# --- Requests ---


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends what no schema says: symbols that are listed, a name without a token, too much, what is accepted, one precondition,
    and something to be done."""
    if FEED.fullmatch(case.path) and case.method in ("GET", "HEAD"):
        case.headers["Accept"] = ACCEPTS[draw(case, "accept") % len(ACCEPTS)]
    symbols = str(case.query.get("symbols", "")).split(",")
    if "symbols" in case.query and len(symbols) <= SYMBOLS_MAX:
        case.query["symbols"] = ",".join(map(listed, symbols))
    if case.method == "POST" and case.path == CHANNEL:
        if "If-Match" in case.headers:
            case.headers.pop("If-None-Match", None)
        is_empty = case.body is NOT_SET or case.body == ""
        if is_empty and not {"close", "lease"} & set(case.query):
            case.query["close"] = "1"
    if case.method == "POST" and isinstance(case.body, dict):
        has_sub = ADA.token in repr((case.headers, case.cookies, case.query))
        case.body = informed(case.body, has_sub)
        if draw(case, "length") % 32 == 0:
            case.body["unknown"] = "x" * BODY_BYTES


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def lines(context, value):
    """An entry for each item."""
    return "".join(json.dumps(item) + "\n" for item in items(value)).encode()


@schemathesis.serializer("text/event-stream")
def events(context, value):
    return "".join(f"data: {json.dumps(item)}\n\n" for item in items(value)).encode()


def items(value):
    return value if isinstance(value, list) and value else [value]


def informed(body, has_sub):
    body = dict(body)
    if "symbol" in body:
        body["symbol"] = listed(body["symbol"])
    if isinstance(body.get("price"), float):
        body["price"] = round(body["price"], 2)
    if "text" in body and body.get("user") is None and not has_sub:
        body["user"] = "ada"
    return body


def listed(symbol):
    """One that is listed in place of any other that is well-formed."""
    is_symbol = isinstance(symbol, str) and re.fullmatch(r"[A-Z][A-Z0-9.]{0,9}", symbol)
    return SYMBOLS[zlib.crc32(symbol.encode()) % len(SYMBOLS)] if is_symbol else symbol


# --- Answers ---

answers = Counter()


@schemathesis.hook
def after_call(context, case, response):
    answers[f"{response.request.method} {case.path} {response.status_code}"] += 1


@atexit.register
def tell():
    with open(os.environ["SSEDGE_ANSWERS"], "w") as file:
        json.dump(answers, file, indent=1, sort_keys=True)


def fail(case, title, message):
    raise Failure(operation=case.operation.label, title=title, message=message)


@schemathesis.check
def only_documented_headers(ctx, response, case):
    """An answer has no header that the document does not name."""
    documented = case.operation.responses.find_by_status_code(response.status_code)
    # What is not documented at all is found by schemathesis itself.
    if documented is not None:
        named = {name.lower() for name, _ in documented.headers.items()}
        # Lambda gives what has none a type of its own.
        has_type = documented.definition.get("content") or response.status_code == 204
        named |= {"content-type"} if has_type else set()
        unknown = set(response.headers) - named - TRANSPORT - PLATFORM
        if unknown:
            fail(case, "Undocumented header", f"{response.status_code} has {', '.join(sorted(unknown))}")


@schemathesis.check
def a_refusal_has_its_reason(ctx, response, case):
    """A refusal that is documented still has to be deserved, and a bad token gets nothing but one."""
    request, status, caller = response.request, response.status_code, caller_of(response.request)
    is_good = caller is NOBODY or caller.is_good
    user = case.body.get("user") if isinstance(case.body, dict) else None
    in_another_name = caller is ADA and user not in (None, ADA.sub)
    from_elsewhere = request.headers.get("Origin") == FOREIGN
    reasons = {
        401: not is_good,
        403: caller is NOBODY or not caller.may_all or in_another_name or from_elsewhere,
        406: request.headers.get("Accept") == NEITHER,
        # Of a channel an entry may be too long, in a body that is not.
        413: len(request.body or b"") > (ENTRY_BYTES if case.path == CHANNEL else BODY_BYTES),
        412: "If-Match" in request.headers or "If-None-Match" in request.headers,
        422: "Idempotency-Key" in request.headers,
    }
    if not reasons.get(status, True):
        fail(case, "Refused without a reason", f"{status}: {response.text[:300]}")
    if takes_tokens(case) and not is_good and status < 400:
        fail(case, "A bad token was taken", f"{status} for {caller.token[:200]}")
