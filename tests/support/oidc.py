"""A small OpenID provider for tests: it describes itself, publishes its keys, and changes a code for an ID token once, for
whoever proves to be the client that asked and to know the verifier (RFC 7636)."""

import base64
import hashlib
import json
import secrets
import tempfile
import threading
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tokens import KeyPair, encoded, in_seconds

CLIENT, CLIENT_SECRET = "plugfleet client", "the client's: secret/of the tests"


class OidcProvider:
    def __init__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self, "")

            def do_POST(self):
                provider.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_):
                pass

        self.folder = tempfile.TemporaryDirectory()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.jwks_url = f"{self.issuer}/keys"
        self.keys = [self.new_key("first")]
        self.codes = {}
        self.up = True
        self.asked = Counter()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def new_key(self, kid, algorithm="RS256"):
        return KeyPair(algorithm, kid, Path(self.folder.name))

    def claims(self, **changes):
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": secrets.token_hex(8), "iat": in_seconds(0), "exp": in_seconds(300)}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def approve(self, url, sign=None, **claims):
        """The browser came here by that address, and its user said yes: the path it is sent back to. `sign` makes the ID token of
        its claims, where that is not the last key."""
        where = urllib.parse.urlsplit(url)
        asked = dict(urllib.parse.parse_qsl(where.query))
        assert f"{where.scheme}://{where.netloc}{where.path}" == f"{self.issuer}/authorize", url
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256"), url
        assert "openid" in asked["scope"].split(), url
        code = secrets.token_urlsafe()
        self.codes[code] = (asked, sign or self.keys[-1].signed, self.claims(**{"nonce": asked["nonce"], **claims}))
        back = urllib.parse.urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urllib.parse.urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, request, body):
        self.asked[request.path] += 1
        status, reply = self.reply(request.path, request.headers, dict(urllib.parse.parse_qsl(body))) if self.up else (503, {})
        data = json.dumps(reply).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def reply(self, path, headers, form):
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize", "jwks_uri": self.jwks_url,
                         "token_endpoint": f"{self.issuer}/token", "id_token_signing_alg_values_supported": ["RS256"]}
        if path == "/keys":
            return 200, {"keys": [key.jwk() for key in self.keys]}
        if path != "/token":
            return 404, {}
        pair = ":".join(urllib.parse.quote(word, safe="") for word in (CLIENT, CLIENT_SECRET))
        if headers["Authorization"] != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return 401, {"error": "invalid_client"}
        asked, sign, claims = self.codes.pop(form.get("code"), (None, None, None))
        challenge = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not asked or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": sign(claims)}
