"""A backend that notifies its users, each in a channel of their own. It needs nothing but Python."""
import base64, hashlib, hmac, json, os, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

SSEDGE, SECRET = os.environ.get("SSEDGE", "http://127.0.0.1:8787"), os.environ["AUTH_SECRET"].encode()


def part(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mint(**claims):
    """A token with these claims, for ten minutes."""
    claims["exp"] = int(time.time()) + 600
    signed = part(b'{"alg":"HS256"}') + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())


def notify(user, notification, key=None):
    """Stores a notification. With the same key it is stored once, however often this is tried."""
    headers = {"Authorization": "Bearer " + mint(publish=["channels/user/*"]), "Content-Type": "application/json",
               "Idempotency-Key": key or str(uuid.uuid4())}
    body = json.dumps(notification).encode()
    return urlopen(Request(f"{SSEDGE}/api/channels/user/{user}", body, headers, method="POST")).read()


class Backend(BaseHTTPRequestHandler):
    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url, user = self.asked()
        if url.path != "/inbox":
            return self.answer(200, "text/html; charset=utf-8", Path(__file__).with_name("index.html").read_bytes())
        inbox = {"url": f"{SSEDGE}/api/channels/user/{user}", "token": mint(sub=user, subscribe=[f"channels/user/{user}"])}
        self.answer(200, "application/json", json.dumps(inbox).encode())

    def do_POST(self):
        url, user = self.asked()
        number = parse_qs(url.query).get("number", ["?"])[0]
        self.answer(201, "application/json", notify(user, {"text": f"Your order {number} is on its way."}))

    def asked(self):
        """Who is logged in, your own session says."""
        url = urlsplit(self.path)
        return url, parse_qs(url.query).get("user", ["ada"])[0]


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Backend)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
