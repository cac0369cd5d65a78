"""Who asks, and how often they may: bearer tokens, the limits of nginx (an address) and of the workers (a client)."""

import hashlib
import json
import os
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import EMAIL, KEY, PATIENCE, Live, at_once, frame, layer, some_trace
from servers import wait_for
from tokens import KeyPair, encoded, in_seconds, signed_with

live = Live(__file__)
temporary = tempfile.TemporaryDirectory(prefix="plugfleet-test-")  # gone when the process ends
folder = Path(temporary.name)
tearDownModule = live.stop

SECRET = "a live test's secret of more than 32 bytes"
ISSUER, AUDIENCE = "https://project.supabase.co/auth/v1", "authenticated"
POINTS = 5  # renames a minute
PROXY = "127.9.9.9"
HMAC = {
    "PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_JWT_ALG": "HS256",
    "PLUGFLEET_JWT_SECRET_FILE": str(folder / "secret"), "PLUGFLEET_JWT_ISSUER": ISSUER,
    "PLUGFLEET_JWT_AUDIENCE": AUDIENCE,
    "PLUGFLEET_RENAME_LIMIT_PER_MINUTE": str(POINTS), "TRUSTED_PROXIES": PROXY,
}
(folder / "secret").write_text(SECRET + "\n", encoding="utf-8")


def some_address():
    """One that nobody has asked from: limits are counted by address."""
    return "127." + ".".join(str(1 + byte % 254) for byte in os.urandom(3))


def some_network():
    """The 64 bits of an IPv6 network that nobody has asked from."""
    return ":".join(["2001", "db8", os.urandom(2).hex(), os.urandom(2).hex()])


def mapped(address):
    """An IPv4 address as IPv6 writes it."""
    high, low = bytes(map(int, address.split("."))).hex(":", 2).split(":")
    return [f"::ffff:{address}", f"::ffff:{high}:{low}", f"0:0:0:0:0:FFFF:{address}"]


def of(address):
    """How a request is sent that comes from there, as the proxy says."""
    return {"address": PROXY, "headers": {"X-Forwarded-For": address}}


def claims(**more):
    all_ = {"sub": some_trace(), "iss": ISSUER, "aud": AUDIENCE, "exp": in_seconds(600), **more}
    return {name: value for name, value in all_.items() if value is not None}


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


def rate_limit(reply):
    return [reply.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]


class ClientCase(live.Case):
    settings = HMAC

    def assert_limited(self, reply, limit, most):
        """The contract's 429."""
        self.assertEqual(reply.status, 429, reply)
        said = reply.json
        self.assertEqual(set(said), {"error", "message", "requestId", "retryAfter"})
        self.assertEqual((said["error"], said["requestId"]), ("rate_limited", reply.trace))
        self.assertTrue(1 <= said["retryAfter"] <= most, said)
        wait = str(said["retryAfter"])
        self.assertEqual((reply.headers["Retry-After"], *rate_limit(reply)), (wait, str(limit), "0", wait))
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], "*")

    def assert_unauthorized(self, token, saying=""):
        reply = live.rename(frame(layer("1")), headers=bearing(token))
        self.assertEqual(reply.status, 401, reply)
        self.assertEqual(set(reply.json), {"error", "message", "requestId"})
        self.assertEqual((reply.json["error"], reply.json["requestId"]), ("unauthorized", reply.trace))
        self.assertIn(saying, reply.json["message"])
        self.assertEqual(live.provider.stats()["calls"], 0)

    def assert_taken(self, token, user):
        reply = live.rename(frame(layer("1")), headers=bearing(token))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(live.log_of(reply.trace)["user"], user)
        return reply


class AddressLimitTest(ClientCase):
    """nginx's guard, where a test can reach it: 31 requests at once and then one a minute, 11 of them renames."""

    settings = {**HMAC, "RATE_GENERAL": "1r/m", "BURST_GENERAL": "30", 
                "PLUGFLEET_RENAME_EDGE_RATE": "1r/m", "PLUGFLEET_RENAME_EDGE_BURST": "10"}

    def ask_until_refused(self, ask, at_least):
        """The first refusal; a request more than `at_least` may pass while the bucket drains."""
        for passed in range(at_least + 20):
            reply = ask()
            if reply.status == 429:
                self.assertGreaterEqual(passed, at_least)
                return reply
        self.fail(f"{at_least + 20} requests passed")

    def test_an_address_has_thirty_one_requests_and_then_a_429(self):
        for secure in (False, True):
            address = some_address()
            reply = self.ask_until_refused(lambda: live.get("/nothing", address=address, secure=secure), 31)
            self.assert_limited(reply, limit=1, most=60)
            self.assertEqual(reply.headers["Content-Type"], "application/json")
            self.assertEqual(live.get("/nothing", address=some_address()).status, 404)

    def test_renames_have_eleven_whoever_the_user_is_and_count_as_requests_too(self):
        address = some_address()

        def rename():
            headers = bearing(signed_with(SECRET, claims()))
            return live.rename(frame(layer("1")), address=address, headers=headers)

        reply = self.ask_until_refused(rename, 11)
        self.assert_limited(reply, limit=1, most=60)
        self.assertEqual(live.get("/nothing", address=address).status, 404)
        path = "//api/./rename-layers/"
        self.assertEqual(live.ask("POST", path, {}, address=address).status, 429, "another spelling is not limited")

    def test_an_ipv6_network_is_one_client_and_so_is_an_address_however_it_is_written(self):
        network, other = some_network(), some_network()
        self.ask_until_refused(lambda: live.get("/nothing", **of(f"{network}::{os.urandom(2).hex()}")), 31)
        self.assertEqual(live.get("/nothing", **of(f"{network}:ffff::1")).status, 429)
        self.assertEqual(live.get("/nothing", **of(f"{other}::1")).status, 404)
        address = some_address()
        self.ask_until_refused(lambda: live.get("/nothing", **of(address)), 31)
        for same in mapped(address):
            self.assertEqual(live.get("/nothing", **of(same)).status, 429, same)

    def test_a_stream_that_resumes_is_never_refused(self):
        address, path = some_address(), f"/api/jobs/{uuid.uuid4()}/stream"
        self.ask_until_refused(lambda: live.get(path, address=address), 31)
        for _ in range(3):
            self.assertEqual(live.get(path, address=address, headers={"Last-Event-ID": "4"}).status, 404)
        for headers in ({"Last-Event-ID": ""}, {}):
            self.assertEqual(live.get(path, address=address, headers=headers).status, 429)
        self.assertEqual(live.get("/api/prompts", address=address, headers={"Last-Event-ID": "4"}).status, 429)

    def test_preflights_and_operators_requests_are_not_counted(self):
        address = some_address()
        for _ in range(50):
            self.assertEqual(live.ask("OPTIONS", "/api/rename-layers", address=address).status, 204)
            self.assertEqual(live.get("/healthz").status, 200)
        self.assertEqual(live.get("/nothing", address=address).status, 404)

    def test_a_trace_id_goes_with_a_refusal_too(self):
        address, id_ = some_address(), some_trace()
        reply = self.ask_until_refused(lambda: live.get("/nothing", address=address, headers={"x-trace-id": id_}), 31)
        self.assertEqual((reply.trace, reply.json["requestId"]), (id_, id_))


class ClientLimitTest(ClientCase):
    """The workers', counted in Redis."""

    def answers(self, count, **how):
        """The statuses of so many renames, sent at the same time, and the workers that gave them."""
        replies = at_once(count, lambda _: live.rename(frame(layer("1")), **how))
        self.workers = {live.log_of(reply.trace)["pid"] for reply in replies}
        return sorted(reply.status for reply in replies)

    def test_the_fleet_counts_as_one(self):
        def both_workers_answered():
            statuses = self.answers(POINTS + 15, address=some_address())
            self.assertEqual(statuses, [200] * POINTS + [429] * 15)
            return len(self.workers) == 2

        wait_for(both_workers_answered, "not both workers answered", PATIENCE)

    def test_every_answer_says_what_is_left(self):
        address = some_address()
        for left in reversed(range(POINTS)):
            reply = live.rename(frame(layer("1")) if left % 2 else {}, address=address)
            self.assertIn(reply.status, (200, 422))
            limit, remaining, reset = map(int, rate_limit(reply))
            self.assertEqual((limit, remaining), (POINTS, left))
            self.assertTrue(0 < reset <= 60)
        for _ in range(3):
            self.assert_limited(live.rename(frame(layer("1")), address=address), POINTS, most=60)
        self.assertEqual(live.rename(b"{", address=address).status, 429, "the body was read first")

    def test_a_user_is_counted_wherever_they_ask_from(self):
        headers = bearing(signed_with(SECRET, claims()))
        statuses = [live.rename(frame(layer("1")), address=some_address(), headers=headers).status
                    for _ in range(POINTS + 1)]
        self.assertEqual(statuses, [200] * POINTS + [429])

    def test_users_behind_one_address_are_counted_apart_and_apart_from_it(self):
        address = some_address()
        for _ in range(3):
            headers = bearing(signed_with(SECRET, claims()))
            self.assertEqual(self.answers(POINTS + 2, address=address, headers=headers), [200] * POINTS + [429] * 2)
        self.assertEqual(self.answers(POINTS + 2, address=address), [200] * POINTS + [429] * 2)

    def test_an_ipv6_network_is_one_client_and_so_is_an_address_however_it_is_written(self):
        network, address = some_network(), some_address()
        for same in ([f"{network}::{number:x}:1" for number in range(1, POINTS + 2)],
                     [address, *mapped(address)] * 2):
            statuses = [live.rename(frame(layer("1")), **of(one)).status for one in same[:POINTS + 1]]
            self.assertEqual(statuses, [200] * POINTS + [429], same)

    def test_an_operators_tries_are_counted_by_the_network_too(self):
        network = some_network()
        statuses = [live.get("/api/analytics", **of(f"{network}::{number:x}")).status for number in range(11)]
        self.assertEqual(statuses, [401] * 10 + [429])

    def test_what_a_body_says_of_its_sender_is_not_who_is_counted(self):
        address = some_address()
        bodies = [frame(layer("1"), userEmail=f"{i}@example.com", userId=f"user-{i}") for i in range(POINTS + 1)]
        statuses = [live.rename(body, address=address).status for body in bodies]
        self.assertEqual(statuses, [200] * POINTS + [429])

    def test_a_token_that_is_refused_costs_nothing(self):
        address, user = some_address(), claims()
        for _ in range(POINTS + 1):
            headers = bearing(signed_with("another secret of more than 32 bytes, too", user))
            reply = live.rename(frame(layer("1")), address=address, headers=headers)
            self.assertEqual((reply.status, reply.headers["RateLimit-Limit"]), (401, None))
        for headers in ({}, bearing(signed_with(SECRET, user))):
            reply = live.rename(frame(layer("1")), address=address, headers=headers)
            self.assertEqual(reply.headers["RateLimit-Remaining"], str(POINTS - 1))

    def test_a_forwarded_address_is_believed_from_a_trusted_proxy_and_from_nobody_else(self):
        for sender, believed in ((some_address(), False), (PROXY, True)):
            left, agent = [], some_trace()
            for _ in range(2):
                headers = {"X-Forwarded-For": f"198.51.100.1, {some_address()}", "User-Agent": agent}
                reply = live.rename(frame(layer("1")), address=sender, headers=headers)
                left.append(reply.headers["RateLimit-Remaining"])
            self.assertEqual(left[0] == left[1], believed, f"from {sender}")
            rows = live.rows(f"select host(ip_address) from api_calls where user_agent = '{agent}'", 2)
            self.assertEqual([sender] in rows, not believed)

    def test_a_proxy_can_name_its_client_and_not_what_the_client_claims_to_be(self):
        headers = {"X-Forwarded-For": f"198.51.100.77, {some_address()}"}
        reply = live.rename(frame(layer("1")), address=PROXY, headers=headers)
        self.assertEqual(live.log_of(reply.trace)["address"], headers["X-Forwarded-For"].split(", ")[1])

    def test_redis_keeps_a_key_a_minute_at_most_and_no_token_in_it(self):
        user = claims()
        token = signed_with(SECRET, user)
        live.rename(frame(layer("1")), headers=bearing(token))
        (key,) = [key for key in live.fleet.redis("keys", "plugfleet:limit:*").splitlines() if user["sub"] in key]
        self.assertNotIn(token[:20], key)
        self.assertTrue(0 < int(live.fleet.redis("pttl", key)) <= 60_000)


class HmacTokenTest(ClientCase):
    def test_the_user_is_the_tokens_and_the_address_of_a_body_only_a_claim(self):
        user = claims(email="token@example.com")
        headers = bearing(signed_with(SECRET, user))
        reply = live.rename(frame(layer("1"), userId="somebody-else"), headers=headers)
        self.assertEqual(reply.status, 200, reply)
        (row,) = live.rows(f"select user_id, user_email from jobs where id = '{reply.json['jobId']}'")
        self.assertEqual(row, [user["sub"], EMAIL])
        self.assertEqual(live.log_of(reply.trace)["user"], user["sub"])

    def test_who_sends_no_token_is_nobody_and_is_served(self):
        reply = live.rename(frame(layer("1")), address=some_address(), secure=True)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(live.log_of(reply.trace)["user"], "")

    def test_good_tokens_are_taken_however_they_are_spelled(self):
        for more in ({"aud": ["other", AUDIENCE]}, {"exp": in_seconds(-30)}, {"exp": in_seconds(600) + 0.5},
                     {"nbf": in_seconds(30)}, {"iat": in_seconds(-9)}, {"sub": "用户"},
                     {"role": "authenticated", "app_metadata": {"a": [1]}}):
            with self.subTest(more=more):
                user = claims(**more)
                self.assert_taken(signed_with(SECRET, user), user["sub"])
        user = claims()
        for header in ({"alg": "HS256"}, {"alg": "HS256", "typ": "jwt"}, {"alg": "HS256", "kid": "any"}):
            self.assert_taken(signed_with(SECRET, user, header), user["sub"])
        reply = live.rename(frame(layer("1")), headers={"Authorization": "bEARER   " + signed_with(SECRET, user)})
        self.assertEqual(reply.status, 200, reply)

    def test_a_token_may_hold_whatever_json_nobody_asks_for(self):
        user = claims()
        for more in (', "s\\u0075b": "admin"}', ', "nbf": 18446744073709551616}', ', "email": "a@b\\ud83d"}'):
            with self.subTest(more=more):
                self.assert_unauthorized(signed_with(SECRET, (json.dumps(user)[:-1] + more).encode()))
        odd = r', "n": 18446744073709551616, "a\/b": 1e400, "cut \ud83d": "\ude00", "nul": "\u0000"}'
        text = json.dumps(user).replace('"sub"', r'"s\u0075b"')[:-1] + odd
        header = rb'{"a\u006cg": "HS256", "a\/b": 18446744073709551616, "cut \ud83d": "\u0000"}'
        self.assert_taken(signed_with(SECRET, text.encode(), header), user["sub"])

    def test_a_token_of_another_key_algorithm_or_none_is_refused(self):
        user = claims()
        good = signed_with(SECRET, user)
        head, body, signature = good.split(".")
        other = encoded({**user, "sub": "admin"})
        for name, token in {
            "another secret": signed_with(SECRET + "!", user),
            "no signature": f"{encoded({'alg': 'none'})}.{body}.",
            "none, signed": signed_with(SECRET, user, {"alg": "none"}),
            "nOnE": f"{encoded({'alg': 'nOnE'})}.{body}.{signature}",
            "HS384": signed_with(SECRET, user, {"alg": "HS384"}, hashlib.sha384),
            "HS512": signed_with(SECRET, user, {"alg": "HS512"}, hashlib.sha512),
            "HS256 over sha512": signed_with(SECRET, user, digest=hashlib.sha512),
            "RS256": signed_with(SECRET, user, {"alg": "RS256"}),
            "no alg": signed_with(SECRET, user, {"typ": "JWT"}),
            "an empty key": signed_with("", user),
            "another body": f"{head}.{other}.{signature}",
            "a cut signature": good[:-4],
            "a signature and more": good + "AAAA",
            "crit": signed_with(SECRET, user, {"alg": "HS256", "crit": ["exp"], "exp": 1}),
            "jwk": signed_with(SECRET, user, {"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(b"x" * 32)}}),
            "jku": signed_with(SECRET, user, {"alg": "HS256", "jku": "https://example.com/keys"}),
            "another type": signed_with(SECRET, user, {"alg": "HS256", "typ": "at+jwt"}),
            "a header twice": signed_with(SECRET, user, b'{"alg":"none","alg":"HS256"}'),
        }.items():
            with self.subTest(name):
                self.assert_unauthorized(token, "token")

    def test_a_token_with_wrong_claims_is_refused(self):
        for more, saying in (
            ({"exp": None}, "exp"), ({"exp": in_seconds(-90)}, "expired"), ({"exp": str(in_seconds(90))}, "exp"),
            ({"exp": in_seconds(90) * 1000}, "exp"), ({"exp": True}, "exp"),
            ({"nbf": in_seconds(120)}, "not valid yet"), ({"nbf": "now"}, "nbf"), ({"iat": "now"}, "iat"),
            ({"iss": None}, "issuer"), ({"iss": "other"}, "issuer"),
            ({"iss": [ISSUER]}, "issuer"), ({"aud": None}, "audience"), ({"aud": "other"}, "audience"),
            ({"aud": []}, "audience"), ({"aud": ["other"]}, "audience"), ({"aud": [AUDIENCE, 7]}, "audience"),
            ({"sub": None}, "sub"), ({"sub": ""}, "sub"), ({"sub": 7}, "sub"), ({"sub": "a\nb"}, "sub"),
            ({"sub": "x" * 300}, "sub"),
        ):
            with self.subTest(more=more):
                self.assert_unauthorized(signed_with(SECRET, claims(**more)), saying)
        twice = json.dumps(claims())[:-1] + ', "sub": "admin"}'
        self.assert_unauthorized(signed_with(SECRET, twice.encode()))

    def test_what_is_no_token_is_refused_and_not_taken_for_nobody(self):
        good = signed_with(SECRET, claims())
        for token in ("x", "a.b", "a.b.c", "..", good + ".x", good.replace(".", ".."), good + "=", "Basic " + good,
                      signed_with(SECRET, {**claims(), "pad": "x" * 6500}), "x" * 9000,
                      signed_with(SECRET, b"[]"), signed_with(SECRET, b"{")):
            with self.subTest(token=token[:30]):
                self.assert_unauthorized(token)
        for header in (f"Basic {encoded(b'ada:secret')}", good, "Bearer", "Bearer ", f"Token {good}"):
            with self.subTest(header=header[:20]):
                self.assertEqual(live.rename(frame(layer("1")), headers={"Authorization": header}).status, 401)


def with_keys(algorithm):
    """Settings with a JWKS of two keys, and the keys; made when first asked for."""
    keys = [KeyPair(algorithm, f"{algorithm}-{number}", folder) for number in (1, 2)]
    jwks = folder / f"{algorithm}.json"
    others = [{"kty": "oct", "k": encoded(b"x" * 32), "kid": "other"}, {"kty": "EC", "crv": "P-384", "kid": "large"},
              {"kty": "RSA", "n": encoded(b"\xff" * 64), "e": "AQAB", "kid": "small"}]
    jwks.write_text(json.dumps({"keys": others + [key.jwk() for key in keys]}), encoding="utf-8")
    settings = {**HMAC, "PLUGFLEET_JWT_ALG": algorithm, "PLUGFLEET_JWT_JWKS_FILE": str(jwks)}
    del settings["PLUGFLEET_JWT_SECRET_FILE"]
    return settings, keys


class PublicKeys:
    @classmethod
    def setUpClass(cls):
        cls.settings, cls.keys = with_keys(cls.algorithm)
        super().setUpClass()

    def test_a_token_of_either_key_is_taken(self):
        for key in self.keys:
            user = claims()
            reply = self.assert_taken(key.signed(user), user["sub"])
            (row,) = live.rows(f"select user_id from jobs where id = '{reply.json['jobId']}'")
            self.assertEqual(row, [user["sub"]])

    def test_the_log_says_which_keys_are_passed_over(self):
        said = {line["why"] for line in live.fleet.log_lines() if line["event"] == "jwt_key_passed_over"}
        self.assertEqual({why.partition(" of ")[0] for why in said}, {"key 1", "key 2", "key 3"}, said)

    def test_a_key_is_chosen_by_its_name_alone(self):
        one, two = self.keys
        for kid, saying in ((two.kid, "signature"), (None, "names no key"), ("unknown", "do not have"),
                            ("other", "do not have"), ("large", "do not have"), ("small", "do not have"),
                            ("../../etc/passwd", "do not have"), (7, "kid")):
            with self.subTest(kid=kid):
                self.assert_unauthorized(one.signed(claims(), kid=kid), saying)

    def test_a_key_that_is_not_in_the_set_is_refused_whatever_it_brings(self):
        stranger = KeyPair(self.algorithm, "stranger", folder)
        self.assert_unauthorized(stranger.signed(claims(), kid=self.keys[0].kid), "signature")
        self.assert_unauthorized(stranger.signed(claims(), kid=self.keys[0].kid, jwk=stranger.jwk()), "refuse")

    def test_the_public_key_is_no_secret_to_sign_with(self):
        for secret in (self.keys[0].public_pem(), json.dumps(self.keys[0].jwk()), "x" * 32):
            token = signed_with(secret, claims(), {"alg": "HS256", "kid": self.keys[0].kid})
            self.assert_unauthorized(token, "algorithm")

    def test_claims_are_checked_here_too(self):
        key = self.keys[0]
        head, _, signature = key.signed(claims()).split(".")
        self.assert_unauthorized(f"{head}.{encoded(claims())}.{signature}", "signature")
        self.assert_unauthorized(key.signed(claims(exp=in_seconds(-90))), "expired")
        self.assert_unauthorized(key.signed(claims(aud="other")), "audience")


class RsaTokenTest(PublicKeys, ClientCase):
    algorithm = "RS256"


class TokenOfACurveTest(PublicKeys, ClientCase):
    algorithm = "ES256"


if __name__ == "__main__":
    unittest.main()
