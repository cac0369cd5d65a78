"""Who asks, as browsers and programs meet it: signing in by a provider or a link, sessions, personal access tokens, tokens of
several issuers; and what is forged, stolen, late or revoked. nginx in front, two workers, real PostgreSQL and Redis."""

import json
import secrets
import subprocess
import sys
import time
import unittest
import urllib.parse
from http.cookies import SimpleCookie
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import PATIENCE, Live, at_once
from oidc import CLIENT, CLIENT_SECRET, OidcProvider
from servers import wait_for
from tokens import in_seconds, signed_with

live = Live(__file__)
provider, issuer = OidcProvider(), OidcProvider()

REMEMBERED_S = 10  # how long what was revoked may be taken for good
PARTNERS_SECRET = "a partner's secret, of more than 32 bytes"
SESSION, ATTEMPT = "__Host-session", "__Host-sign-in"
ELSEWHERE = ("//evil.example", "/\\evil.example", "\\/evil.example", "https://evil.example", "/%09/evil.example", "/%0a/evil.example",
             "%2f%2fevil.example", "%2f%5cevil.example", "evil.example", "javascript:alert(1)", "/a%0d%0aSet-Cookie:%20a=b", "/%E2%80%A8")


def tearDownModule():
    live.stop()
    for server in (provider, issuer):
        server.stop()


def some_email():
    return f"{secrets.token_hex(6)}@example.com"


class Browser:
    """Keeps cookies; says of its own requests that change something that they come from our own pages."""

    def __init__(self, **cookies):
        self.cookies = cookies

    def ask(self, method, path, body=None, **headers):
        if method != "GET" and not headers:
            headers = {"Sec-Fetch-Site": "same-origin"}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = live.ask(method, path, body, headers={"Content-Type": "application/json", **headers} if body else headers)
        for line in reply.headers.get_all("Set-Cookie", []):
            for name, cookie in SimpleCookie(line).items():
                self.cookies[name] = cookie.value
                if cookie["max-age"] == "0":
                    del self.cookies[name]
        return reply

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def open(self, path):
        """As a browser does for whoever follows a link."""
        return self.get(path, Sec_Fetch_Dest="document", Sec_Fetch_Mode="navigate")

    def follow_link(self, email):
        reply = self.open(path_of(live.token("sign-in", email)))
        assert reply.status == 303, reply
        return self

    def begin(self, next_="/"):
        """The provider's address that it is sent to."""
        reply = self.get(f"/auth/sign-in?next={urllib.parse.quote(next_)}")
        assert reply.status == 303, reply
        return reply.headers["Location"]

    def sign_in(self, next_="/", **claims):
        return self.get(provider.approve(self.begin(next_), **claims))

    @property
    def user(self):
        return self.get("/auth/session").json["user"]


def path_of(url):
    prefix = f"https://localhost:{live.fleet.https_port}"
    assert url.startswith(prefix), url
    return url.removeprefix(prefix)


def as_bearer(token, trace=None):
    return {"headers": {"Authorization": f"Bearer {token}", "x-trace-id": trace}}


class SignInCase(live.Case):
    settings = {
        "PLUGFLEET_AI_PROVIDER": "offline", "PLUGFLEET_OIDC_ISSUER": provider.issuer, "PLUGFLEET_OIDC_CLIENT_ID": CLIENT,
        "PLUGFLEET_OIDC_CLIENT_SECRET": CLIENT_SECRET, "PLUGFLEET_JWT_ALG": "RS256", "PLUGFLEET_JWT_JWKS_URL": issuer.jwks_url,
        "PLUGFLEET_JWT_ISSUER": issuer.issuer, "PLUGFLEET_JWT_AUDIENCE": CLIENT,
        "PLUGFLEET_JWT_ISSUERS": json.dumps({"issuers": [
            {"issuer": "partner", "audience": "ours", "algorithm": "HS256", "secret": PARTNERS_SECRET}]}),
    }

    def refused(self, reply, status, words=""):
        self.assertEqual(reply.status, status, reply)
        self.assertIn(words, reply.json["message"])

    def until_refused(self, ask, status=401):
        """Every worker refuses it within the time for which what was revoked is remembered. `ask` takes a trace id."""
        def all_refuse():
            replies = live.by_worker(lambda headers: ask(headers["x-trace-id"]))
            return {reply.status for each in replies.values() for reply in each} == {status}

        begun = time.monotonic()
        wait_for(all_refuse, "it was not refused", REMEMBERED_S + PATIENCE)
        self.assertLess(time.monotonic() - begun, REMEMBERED_S + 5)  # with the time that asking takes


class ProviderTest(SignInCase):
    def test_a_user_signs_in_and_out(self):
        browser = Browser()
        self.assertIsNone(browser.user)
        email = some_email()
        reply = browser.sign_in("/market?q=1", email=email, name="Ada")
        self.assertEqual((reply.status, reply.headers["Location"]), (303, "/market?q=1"), reply)
        self.assertEqual(reply.headers["Cache-Control"], "no-store")
        line = next(line for line in reply.headers.get_all("Set-Cookie") if line.startswith(SESSION))
        parts = {part.strip() for part in line.split(";")[1:]}
        self.assertEqual(parts - {"Max-Age=34560000"}, {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"})
        self.assertNotIn(ATTEMPT, browser.cookies)
        self.assertEqual((browser.user["email"], browser.user["name"]), (email, "Ada"))
        self.assertEqual(browser.get("/api/v1/user/profile").json["provider"], provider.issuer)
        self.assertEqual(browser.get("/auth/session").json["signIn"], "provider")
        secret = browser.cookies[SESSION]
        self.assertEqual(live.fleet.sql(f"select count(*) from sessions s where s::text like '%{secret}%'"), [["0"]])
        self.assertEqual(browser.ask("POST", "/auth/sign-out").status, 204)
        self.assertNotIn(SESSION, browser.cookies)
        thief = Browser(**{SESSION: secret})
        self.until_refused(lambda trace: thief.get("/api/v1/teams", x_trace_id=trace))
        self.assertIsNone(thief.user)

    def test_who_comes_again_is_the_same_user_with_another_secret(self):
        first, second = Browser(), Browser()
        first.sign_in(sub="ada")
        second.sign_in(sub="ada")
        self.assertEqual(first.user["id"], second.user["id"])
        self.assertNotEqual(first.cookies[SESSION], second.cookies[SESSION])

    def test_an_answer_that_was_not_asked_for_with_this_browser_is_refused(self):
        """Login CSRF: the attacker's code would sign the victim in as the attacker."""
        attacker, victim = Browser(), Browser()
        answer = provider.approve(attacker.begin())
        self.refused(victim.get(answer), 403, "begin again")
        victim.begin()
        self.refused(victim.get(answer), 403, "begin again")
        self.assertNotIn(SESSION, victim.cookies)
        for forged in (answer.replace("state=", "state=0"), answer.partition("&state=")[0], "/auth/callback?code=a&state="):
            self.assertIn(attacker.get(forged).status, (400, 403))
        self.assertEqual(attacker.get(answer).status, 303)
        self.refused(attacker.get(answer), 403)  # a second time

    def test_a_token_that_is_not_for_this_sign_in_is_refused(self):
        key = provider.keys[-1]
        public = key.public_pem()
        strangers = provider.new_key("stranger")
        for name, forged in {
            "nonce": {"nonce": "another"}, "no nonce": {"nonce": None}, "issuer": {"iss": issuer.issuer},
            "audience": {"aud": "another client"}, "party": {"aud": [CLIENT, "b"], "azp": "b"}, "expired": {"exp": in_seconds(-120)},
            "no subject": {"sub": None}, "stranger's key": {"sign": lambda claims: strangers.signed(claims, kid=key.kid)},
            "none": {"sign": lambda claims: signed_with("", claims, {"alg": "none"}).rpartition(".")[0] + "."},
            "public key as a secret": {"sign": lambda claims: signed_with(public, claims, {"alg": "HS256", "kid": key.kid})},
        }.items():
            with self.subTest(name):
                browser = Browser()
                self.refused(browser.sign_in(**forged), 403, "begin again")
                self.assertNotIn(SESSION, browser.cookies)
                self.assertIsNone(browser.user)

    def test_a_provider_that_says_no_or_nothing_lets_nobody_in(self):
        browser = Browser()
        answer = provider.approve(browser.begin())
        state = answer.partition("&state=")[2]
        provider.codes.clear()
        self.refused(browser.get(answer), 403)
        browser.begin()
        self.refused(browser.get(f"/auth/callback?error=access_denied&state={state}"), 403)
        answer = provider.approve(browser.begin())
        provider.up = False
        self.addCleanup(setattr, provider, "up", True)
        self.assertEqual(browser.get(answer).status, 502)
        self.assertEqual(Browser().get("/auth/sign-in").status, 303)  # what is known of it serves
        self.assertNotIn(SESSION, browser.cookies)

    def test_nobody_is_sent_elsewhere(self):
        for path in ELSEWHERE:
            reply = Browser().get(f"/auth/sign-in?next={path}")
            self.assertEqual((reply.status, reply.json["details"][0]["field"]), (400, "next"), (path, reply))
        browser = Browser()
        browser.begin("/market")
        browser.cookies[ATTEMPT] = browser.cookies[ATTEMPT].partition(".")[0] + ".Ly9ldmls"  # //evil
        self.refused(browser.get("/auth/callback?code=a&state=b"), 403)

    def test_a_session_that_was_there_before_is_worth_nothing_after(self):
        """Fixation: what somebody else put into the browser is no session, and does not become one."""
        fixed = "A" * 43
        browser = Browser(**{SESSION: fixed})
        self.assertIsNone(browser.user)
        browser.sign_in()
        first = browser.cookies[SESSION]
        self.assertNotEqual(first, fixed)
        self.assertIsNone(Browser(**{SESSION: fixed}).user)
        browser.sign_in()
        self.assertNotEqual(browser.cookies[SESSION], first)
        self.until_refused(lambda trace: Browser(**{SESSION: first}).get("/api/v1/teams", x_trace_id=trace))

    def test_an_address_that_nobody_has_verified_is_nobodys(self):
        for verified, kept in ((False, False), ("false", False), (True, True)):
            browser, email = Browser(), some_email()
            browser.sign_in(email=email, email_verified=verified)
            self.assertEqual(browser.user["email"], email if kept else None)

    def test_a_new_key_of_the_provider_is_known_at_once(self):
        Browser().sign_in()
        provider.keys = [provider.new_key(secrets.token_hex(4))]
        for _ in range(4):
            self.assertEqual(Browser().sign_in().status, 303)


class CookieTest(SignInCase):
    def test_another_sites_page_changes_nothing(self):
        browser = Browser().follow_link(some_email())
        ours = f"https://localhost:{live.fleet.https_port}"
        team = {"name": "Made by a cookie"}
        for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"},
                        {"Sec_Fetch_Site": "cross-site", "Origin": ours}, {"Origin": "https://evil.example"}, {"Origin": "null"},
                        {"Origin": ours + ".evil.example"}, {"Origin": ours.replace("https", "http")}, {"x_trace_id": "no-origin"}):
            with self.subTest(headers):
                self.refused(browser.ask("POST", "/api/v1/teams", team, **headers), 403, "another site")
                self.refused(browser.ask("DELETE", "/api/v1/user", **headers), 403)
                self.refused(browser.ask("POST", "/auth/sign-out", **headers), 403)
        self.assertEqual(browser.get("/api/v1/teams", Sec_Fetch_Site="cross-site").json["teams"], [])
        for headers in ({"Sec_Fetch_Site": "same-origin"}, {"Origin": ours}):
            self.assertEqual(browser.ask("POST", "/api/v1/teams", team, **headers).status, 201)

    def test_a_session_that_is_revoked_or_not_used_for_30_days_ends(self):
        for statement in ("delete from sessions where user_id = '{}'",
                          "update sessions set expires_at = now() where user_id = '{}'"):
            browser = Browser().follow_link(some_email())
            live.fleet.sql(statement.format(browser.user["id"]))
            self.until_refused(lambda trace: browser.get("/api/v1/teams", x_trace_id=trace))
            self.assertIsNone(browser.user)

    def test_each_use_puts_its_end_off(self):
        browser = Browser().follow_link(some_email())
        secret, user = browser.cookies[SESSION], browser.user["id"]
        live.fleet.sql(f"update sessions set last_used_at = now() - interval '2 hours', expires_at = now() + interval '1 hour' "
                       f"where user_id = '{user}'")
        put_off = f"select expires_at > now() + interval '29 days' from sessions where user_id = '{user}'"
        wait_for(lambda: Browser(**{SESSION: secret}).user and live.fleet.sql(put_off) == [["t"]], "its end was not put off", 12)

    def test_a_header_goes_before_a_cookie(self):
        browser = Browser().follow_link(some_email())
        self.refused(browser.get("/auth/session", Authorization="Bearer wrong"), 401)


class LinkTest(SignInCase):
    settings = {name: value for name, value in SignInCase.settings.items() if "OIDC" not in name}

    def test_without_a_provider_one_signs_in_by_a_link(self):
        self.refused(Browser().get("/auth/sign-in?next=/market"), 404, "scripts/token sign-in")
        self.refused(Browser().get("/auth/callback?code=a&state=b"), 404)
        email = some_email()
        browser = Browser()
        link = path_of(live.token("sign-in", email.upper()))
        reply = browser.open(f"{link}&next=/market")
        self.assertEqual((reply.status, reply.headers["Location"]), (303, "/market"))
        self.assertEqual(browser.user["email"], email)
        self.assertEqual(browser.get("/api/v1/user/profile").json["provider"], "local")
        self.assertEqual(browser.get("/auth/session").json["signIn"], "link")
        self.assertEqual(Browser().follow_link(email).user["id"], browser.user["id"])

    def test_a_link_is_good_once(self):
        link = path_of(live.token("sign-in", some_email()))
        statuses = [reply.status for reply in at_once(6, lambda _: Browser().open(link))]
        self.assertEqual(sorted(statuses), [303] + [403] * 5)
        self.refused(Browser().open(link), 403, "new one")

    def test_whoever_only_looks_at_a_link_does_not_use_it_up(self):
        link = path_of(live.token("sign-in", some_email()))
        for method, headers, status in (("GET", {}, 200), ("HEAD", {}, 200), ("HEAD", {"Sec_Fetch_Dest": "document"}, 200),
                                        ("GET", {"Sec_Fetch_Dest": "empty"}, 200), ("GET", {"Sec_Fetch_Dest": "iframe"}, 200),
                                        ("GET", {"Sec_Fetch_Dest": "document", "Sec_Purpose": "prefetch;prerender"}, 204)):
            with self.subTest(method, **headers):
                looker = Browser()
                self.assertEqual(looker.ask(method, link, **headers).status, status)
                self.assertEqual(looker.cookies, {})
        self.assertEqual(Browser().open(link).status, 303)

    def test_a_link_that_is_late_or_made_up_is_not_good(self):
        email = some_email()
        link = path_of(live.token("sign-in", email))
        ends = live.fleet.sql(f"select extract(epoch from expires_at - now()) from sign_in_links where email = '{email}'")
        self.assertTrue(890 < float(ends[0][0]) <= 900, ends)
        live.fleet.sql(f"update sign_in_links set expires_at = now() where email = '{email}'")
        browser = Browser()
        for wrong in (link, link[:-1], "/auth/sign-in?token=%27", "/auth/sign-in?token=" + "a" * 43):
            self.refused(browser.open(wrong), 403)
        self.assertEqual(browser.open(f"{path_of(live.token('sign-in', email))}&next=//evil.example").status, 400)
        self.assertEqual(browser.cookies, {})

    def test_what_is_no_address_is_refused(self):
        for words in (("sign-in", "ada"), ("sign-in", "a|b@example.com"), ("user", "@"), ("user", "a@b", "--scopes", "all")):
            with self.assertRaises(subprocess.CalledProcessError):
                live.token(*words)


class AccessTokenTest(SignInCase):
    def make(self, browser, scopes=("read", "write"), **more):
        reply = browser.ask("POST", "/api/v1/user/tokens", {"name": "A script", "scopes": list(scopes), **more})
        self.assertEqual(reply.status, 201, reply)
        return reply.json

    def test_a_program_asks_in_its_users_name(self):
        browser = Browser().follow_link(some_email())
        made = self.make(browser)
        self.assertTrue(made["token"].startswith("pfu_"))
        profile = live.get("/api/v1/user/profile", **as_bearer(made["token"])).json
        self.assertEqual(profile["id"], browser.user["id"])
        self.assertEqual(live.ask("POST", "/api/v1/teams", {"name": "A"}, **as_bearer(made["token"])).status, 201)
        listed = browser.get("/api/v1/user/tokens").json["tokens"]
        self.assertEqual([(one["id"], one["scopes"]) for one in listed], [(made["id"], ["read", "write"])])
        self.assertNotIn(made["token"], json.dumps(listed))
        found = live.fleet.sql(f"select count(*) from access_tokens t where t::text like '%{made['token']}%'")
        self.assertEqual(found, [["0"]])

    def test_a_scope_that_it_lacks_is_named(self):
        email = some_email()
        reads, writes = (live.token("user", email, "--scopes", scope) for scope in ("read", "write"))
        self.assertEqual(live.get("/api/v1/teams", **as_bearer(reads)).status, 200)
        self.refused(live.ask("POST", "/api/v1/teams", {"name": "A"}, **as_bearer(reads)), 403, '"write"')
        self.refused(live.ask("DELETE", "/api/v1/user", **as_bearer(reads)), 403, '"write"')
        self.refused(live.get("/api/v1/teams", **as_bearer(writes)), 403, '"read"')
        self.assertEqual(live.ask("POST", "/api/v1/teams", {"name": "A"}, **as_bearer(writes)).status, 201)

    def test_one_that_is_revoked_is_refused_within_ten_seconds_and_only_that_one(self):
        browser, other = Browser().follow_link(some_email()), Browser().follow_link(some_email())
        first, second = self.make(browser), self.make(browser)
        path = f"/api/v1/user/tokens/{first['id']}"
        for _ in range(8):
            self.assertEqual(live.get("/api/v1/teams", **as_bearer(first["token"])).status, 200)
        self.refused(other.ask("DELETE", path), 404)
        self.assertEqual(browser.ask("DELETE", path).status, 204)
        self.refused(browser.ask("DELETE", path), 404)
        self.until_refused(lambda trace: live.get("/api/v1/teams", **as_bearer(first["token"], trace)))
        self.assertEqual(live.get("/api/v1/teams", **as_bearer(second["token"])).status, 200)

    def test_one_that_has_expired_or_was_never_made_is_refused(self):
        token = self.make(Browser().follow_link(some_email()), expiresIn=60)
        self.assertEqual(live.get("/api/v1/teams", **as_bearer(token["token"])).status, 200)
        live.fleet.sql(f"update access_tokens set expires_at = now() where id = '{token['id']}'")
        self.until_refused(lambda trace: live.get("/api/v1/teams", **as_bearer(token["token"], trace)))
        for wrong in ("pfu_", "pfu_" + "a" * 43, token["token"][:-1], token["token"].lower(), "pft_" + token["token"][4:]):
            self.refused(live.get("/api/v1/teams", **as_bearer(wrong)), 401)
            self.refused(live.get("/auth/session", **as_bearer(wrong)), 401)  # not nobody: it meant to be somebody

    def test_it_makes_no_others(self):
        token = live.token("user", some_email())
        self.refused(live.ask("POST", "/api/v1/user/tokens", {"name": "B", "scopes": ["read"]}, **as_bearer(token)), 403, "no others")

    def test_what_it_may_and_how_long_is_said(self):
        browser = Browser().follow_link(some_email())
        for wrong, field in (({"scopes": []}, "scopes"), ({"scopes": ["all"]}, "scopes[0]"), ({"expiresIn": 59}, "expiresIn"),
                             ({"expiresIn": 10**9}, "expiresIn"), ({"name": ""}, "name")):
            reply = browser.ask("POST", "/api/v1/user/tokens", {"name": "A", "scopes": ["read"], **wrong})
            self.assertEqual((reply.status, reply.json["details"][0]["field"]), (422, field), reply)


class IssuersTest(SignInCase):
    def user_of(self, token):
        reply = live.get("/auth/session", **as_bearer(token))
        self.assertEqual(reply.status, 200, reply)
        return live.log_of(reply.trace)["user"]

    def partners(self, **changes):
        return signed_with(PARTNERS_SECRET, {"iss": "partner", "aud": "ours", "sub": "ada", "exp": in_seconds(300), **changes})

    def test_each_issuers_tokens_are_good_and_equal_subjects_are_not_one_user(self):
        self.assertEqual(self.user_of(issuer.keys[-1].signed(issuer.claims(sub="ada"))), "ada")
        self.assertEqual(self.user_of(self.partners()), "partner|ada")
        for claimed in ("partner|ada", "local|ada@example.com", f"{provider.issuer}|ada"):
            token = issuer.keys[-1].signed(issuer.claims(sub=claimed))
            self.refused(live.get("/auth/session", **as_bearer(token)), 401, "another issuer's user")
        self.assertEqual(self.user_of(issuer.keys[-1].signed(issuer.claims(sub="auth0|ada"))), "auth0|ada")

    def test_no_issuers_rules_serve_anothers_tokens(self):
        key = issuer.keys[-1]
        good = issuer.claims()
        for name, forged in {
            "partner's secret, issuer's name": signed_with(PARTNERS_SECRET, {**good, "aud": CLIENT}),
            "public key as a secret": signed_with(key.public_pem(), good, {"alg": "HS256", "kid": key.kid}),
            "issuer's key, partner's name": key.signed({**good, "iss": "partner", "aud": "ours"}),
            "partner's audience": self.partners(aud=CLIENT), "issuer's audience": key.signed({**good, "aud": "ours"}),
            "nobody's": self.partners(iss="nobody"), "local": self.partners(iss="local"), "none": self.partners(iss=None),
            "two": self.partners(iss=["partner"]), "unsigned": signed_with("", good, {"alg": "none"}),
        }.items():
            with self.subTest(name):
                self.refused(live.get("/api/v1/teams", **as_bearer(forged)), 401)

    def test_keys_change_and_an_outage_of_their_issuer_is_not_noticed(self):
        old = issuer.keys[-1]
        self.addCleanup(setattr, issuer, "keys", [old])
        ask = lambda key: live.get("/auth/session", **as_bearer(key.signed(issuer.claims())))
        self.assertEqual({reply.status for reply in at_once(8, lambda _: ask(old))}, {200})
        before = issuer.asked["/keys"]
        for _ in range(20):
            self.assertEqual(ask(old).status, 200)
        self.assertEqual(issuer.asked["/keys"], before)
        new = issuer.new_key("second")
        issuer.keys = [old, new]
        self.assertEqual({reply.status for reply in at_once(8, lambda _: ask(new))}, {200})
        stranger = issuer.new_key("stranger")
        issuer.up = False
        self.addCleanup(setattr, issuer, "up", True)
        before = issuer.asked["/keys"]
        self.assertEqual({reply.status for reply in at_once(16, lambda _: ask(stranger))}, {401})
        self.assertLessEqual(issuer.asked["/keys"] - before, 2)  # one a worker at the most
        self.assertEqual({ask(key).status for key in (old, new)}, {200})


class SecrecyTest(SignInCase):
    def test_no_log_holds_what_lets_anybody_in(self):
        browser = Browser()
        answer = provider.approve(browser.begin())
        attempt = browser.cookies[ATTEMPT].partition(".")[0]
        trace = browser.get(answer).trace
        link = live.token("sign-in", some_email())
        Browser().open(path_of(link))
        token = live.token("user", some_email())
        live.get("/api/v1/teams", **as_bearer(token))
        live.log_of(trace)
        text = "".join(file.read_text(encoding="utf-8", errors="replace") for file in (live.fleet.folder / "log").iterdir())
        query = dict(urllib.parse.parse_qsl(answer.partition("?")[2]))
        for secret in (query["code"], query["state"], attempt, browser.cookies[SESSION], token, link.partition("token=")[2],
                       CLIENT_SECRET, PARTNERS_SECRET):
            self.assertNotIn(secret, text)


if __name__ == "__main__":
    unittest.main()
