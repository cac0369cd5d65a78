"""What keeps others out: TLS that is old or weak is refused, and fail2ban's expressions find in this fleet's logs who
misbehaved. fail2ban itself is asked in the rehearsal; here its expressions are applied as it does."""

import configparser
import re
import socket
import ssl
import sys
import unittest
import uuid
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer
from live import PATIENCE, Live
from servers import ROOT, wait_for

SECRET = "a live test's secret of more than 32 bytes"
CLAIMS = {"iss": "issuer", "aud": "audience"}

live = Live(__file__)
tearDownModule = live.stop


class TlsTest(live.Case):
    def handshake(self, versions, ciphers):
        """The version and the cipher agreed on, or None where the server refuses. This client would take anything."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions
            context.minimum_version, context.maximum_version = versions
        with socket.create_connection(("127.0.0.1", live.fleet.https_port), timeout=PATIENCE) as plain:
            try:
                with context.wrap_socket(plain) as secure:
                    return secure.version(), secure.cipher()[0]
            except ssl.SSLError:
                return None

    def test_tls_below_1_2_is_refused(self):
        old, new = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        self.assertIsNone(self.handshake((old, new), "ALL"))
        self.assertEqual(self.handshake((ssl.TLSVersion.TLSv1_2,) * 2, "ALL")[0], "TLSv1.2")
        self.assertEqual(self.handshake((ssl.TLSVersion.TLSv1_3,) * 2, "ALL")[0], "TLSv1.3")

    def test_ciphers_without_forward_secrecy_or_authentication_are_refused(self):
        for weak in ("kRSA", "CAMELLIA", "AES128-SHA256", "ECDHE+AES:!AESGCM:!AESCCM", "aNULL"):
            with self.subTest(weak):
                self.assertIsNone(self.handshake((ssl.TLSVersion.TLSv1_2,) * 2, weak))
        self.assertRegex(self.handshake((ssl.TLSVersion.TLSv1_2,) * 2, "ALL")[1], "^ECDHE-.*(GCM|CHACHA20)")


class Jail:
    """conf/fail2ban/filter.d/NAME.conf as fail2ban applies it: takes the time off, then looks for each expression."""

    def __init__(self, name):
        parser = configparser.ConfigParser()
        parser.read(ROOT / f"conf/fail2ban/filter.d/{name}.conf")
        said = parser["Definition"]
        digits = {"Y": r"\d{4}", "z": r"(?:Z|[+-]\d\d:\d\d)"}
        self.date = re.compile(re.sub("%(.)", lambda code: digits.get(code[1], r"\d\d"), said["datepattern"]))
        lines = said["failregex"].replace("<ADDR>", "(?P<address>[0-9a-f.:]+)").splitlines()
        self.failures = [re.compile(line) for line in lines]

    def finds(self, line):
        rest, dates = self.date.subn("", line.strip(), count=1)
        found = [match["address"] for each in self.failures if (match := each.search(rest))]
        return found[0] if dates and found else None


class Fail2banTest(live.Case):
    settings = {"PLUGFLEET_EDIT_EDGE_RATE": "1r/m", "PLUGFLEET_EDIT_EDGE_BURST": "1", "PLUGFLEET_RENAME_LIMIT_PER_MINUTE": "1",
                "PLUGFLEET_JWT_ALG": "HS256", "PLUGFLEET_JWT_SECRET": SECRET, "PLUGFLEET_JWT_ISSUER": CLAIMS["iss"],
                "PLUGFLEET_JWT_AUDIENCE": CLAIMS["aud"]}
    scan, flood = Jail("plugfleet-scan"), Jail("plugfleet-flood")

    def found(self, path, body=None, status=None, headers=None):
        """Whom each jail finds in the line that the request left, in whichever log."""
        trace = f"t-{uuid.uuid4()}"
        reply = live.ask("POST" if body else "GET", path, body, headers={"x-trace-id": trace, **(headers or {})})
        self.assertEqual(reply.status, status)
        logs = [live.fleet.folder / f"log/{name}.log" for name in ("worker", "nginx-access")]

        def left():
            return [line for log in logs for line in log.read_text(encoding="utf-8").splitlines() if trace in line]

        lines = wait_for(left, "no log had the request", PATIENCE)
        self.assertEqual(len(lines), 1, lines)
        return self.scan.finds(lines[0]), self.flood.finds(lines[0])

    def test_addresses_that_no_route_has_and_refused_tokens_count_as_a_scan(self):
        for path, status in (("/wp-login.php", 404), ("/static/figma/none", 404), ("/api/analytics", 401)):
            with self.subTest(path):
                self.assertEqual(self.found(path, status=status), ("127.0.0.1", None))

    def test_what_a_client_writes_into_the_address_is_nobodys_address(self):
        path = '/static/figma/x","address":"192.0.2.1","status":404,'
        self.assertEqual(self.found(path, status=404), ("127.0.0.1", None))

    def test_a_request_that_is_answered_and_a_job_that_has_expired_do_not_count(self):
        self.assertEqual(self.found("/api/prompts", status=200), (None, None))
        self.assertEqual(self.found(f"/api/jobs/{uuid.uuid4()}", status=404), (None, None))

    def test_an_answer_of_429_counts_as_a_flood_nginxs_and_a_workers(self):
        for path in ("/api/rename-layers", "/api/generate-edits"):
            with self.subTest(path):
                for _ in range(4):
                    live.ask("POST", path, {})
                self.assertEqual(self.found(path, {"layers": []}, 429), (None, "127.0.0.1"))

    def test_a_user_over_a_limit_of_their_own_shuts_nobody_out_who_shares_the_address(self):
        user = {"Authorization": f"Bearer {bearer(SECRET, {'sub': str(uuid.uuid4()), **CLAIMS})}"}
        self.assertEqual(live.ask("POST", "/api/rename-layers", {}, headers=user).status, 422)
        self.assertEqual(self.found("/api/rename-layers", {"layers": []}, 429, user), (None, None))


if __name__ == "__main__":
    unittest.main()
