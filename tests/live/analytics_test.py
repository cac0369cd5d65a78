"""GET /api/analytics and scripts/token as operators use them: who is let in, what is refused, and that the numbers are
those of the jobs that were made."""

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, some_user
from live import KEY, PATIENCE, at_once, frame, some_layers
from servers import ROOT, wait_for
from tokens import in_seconds, signed_with

live = JobsLive(__file__)
tearDownModule = live.stop

SECRET = "a secret of the tests, of more than 32 bytes"
USER = {"sub": "ada", "iss": "plugfleet-test", "aud": "test"}
REMEMBERED_S = 10  # how long a worker may take a token for good after it was revoked


def script(*words, status=0):
    """What it prints on stdout; on stderr where it is refused."""
    done = subprocess.run([ROOT / "scripts/token", *words], env=live.fleet.environment, cwd="/", timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"{words}: {done}")
    return done.stderr if status else done.stdout


def some_address():
    """One that nobody has asked from: tries that fail are counted by address."""
    return "127." + ".".join(str(1 + byte % 254) for byte in os.urandom(3))


class AnalyticsCase(live.Case):
    settings = {
        "PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_AI_PROVIDER": "openrouter", "PLUGFLEET_JWT_ALG": "HS256",
        "PLUGFLEET_JWT_SECRET": SECRET, "PLUGFLEET_JWT_ISSUER": USER["iss"], "PLUGFLEET_JWT_AUDIENCE": USER["aud"],
    }
    token = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if AnalyticsCase.token is None:
            AnalyticsCase.token = script("create", "the tests").strip()

    def ask(self, query="", token=None, address="127.0.0.1", **headers):
        return live.get(f"/api/analytics{query}", address=address,
                        headers={"Authorization": f"Bearer {token or self.token}", **headers})

    def report(self, days=7):
        reply = self.ask(f"?days={days}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def user(self, email, days=2):
        """That user's line of the report, which is two seconds old at most. Of two days: a test may run at midnight."""
        return next((one for one in self.report(days)["topUsers"] if one["user_email"] == email), None)


class AdmissionTest(AnalyticsCase):
    def test_nobody_is_let_in_without_an_operators_token(self):
        known = self.token
        other = known[:-1] + ("A" if known[-1] != "A" else "B")
        jwt = signed_with(SECRET, {**USER, "exp": in_seconds(600)})
        for name, value in {
            "none": None, "empty": "", "no scheme": known, "another scheme": f"Basic {known}", "another": f"Bearer {other}",
            "cut": f"Bearer {known[:-1]}", "longer": f"Bearer {known}A", "capitals": f"Bearer {known.upper()}",
            "a user's": f"Bearer {jwt}", "SQL": "Bearer pft_' or true --", "long": "Bearer pft_" + "A" * 5000,
        }.items():
            with self.subTest(name):
                reply = live.get("/api/analytics", address=some_address(), headers={"Authorization": value})
                self.assertEqual((reply.status, reply.json["error"]), (401, "unauthorized"), reply)
                given = (value or "").lower().startswith("bearer ")  # RFC 6750 section 3.1: no reason where none was
                self.assertEqual(reply.headers["WWW-Authenticate"].partition(",")[0],
                                 'Bearer error="invalid_token"' if given else "Bearer")
                self.assertNotIn("summary", reply.json)
        self.assertEqual(self.ask().status, 200)

    def test_an_operators_token_is_no_users(self):
        reply = live.rename(frame(*some_layers(1)), headers={"Authorization": f"Bearer {self.token}"})
        self.assertEqual(reply.status, 401, reply)

    def test_an_address_that_keeps_failing_is_told_to_wait(self):
        address = some_address()
        for _ in range(10):
            self.assertEqual(self.ask(token="pft_wrong", address=address).status, 401)
        for token in ("pft_wrong", self.token):
            reply = self.ask(token=token, address=address)
            self.assertEqual((reply.status, reply.json["error"]), (429, "rate_limited"), reply)
            wait = reply.json["retryAfter"]
            self.assertTrue(1 <= wait <= 60, reply)
            self.assertEqual([reply.headers[name] for name in ("Retry-After", "RateLimit-Remaining", "RateLimit-Reset")],
                             [str(wait), "0", str(wait)])
        self.assertEqual(self.ask(address=some_address()).status, 200)

    def test_a_token_is_refused_within_seconds_of_being_revoked(self):
        token = script("create", "short-lived").strip()
        for reply in at_once(16, lambda _: self.ask(token=token)):  # every worker knows it
            self.assertEqual(reply.status, 200, reply)
        self.assertIn("short-lived is revoked", script("revoke", "short-lived"))
        revoked = time.monotonic()
        wait_for(lambda: {self.ask(token=token, address=some_address()).status for _ in range(4)} == {401},
                 "it was not refused", REMEMBERED_S + 5)
        self.assertLess(time.monotonic() - revoked, REMEMBERED_S + 5)

    def every_worker_is_well(self):
        """Both its pools reach the database; what the report told last is kept for some seconds, by its days."""
        return all(live.get("/health").status == 200 and self.ask(f"?days={days}").status == 200 for days in range(20, 30))

    def test_without_the_database_it_is_503(self):
        token = script("create", "for an outage").strip()
        live.fleet.ctl("stop", "pgbouncer")
        self.addCleanup(wait_for, self.every_worker_is_well, "it did not recover", PATIENCE)
        self.addCleanup(live.fleet.ctl, "start", "pgbouncer")
        for token in (token, self.token):
            reply = self.ask("?days=11", token=token)
            self.assertEqual((reply.status, reply.json["error"]), (503, "unavailable"), reply)
            self.assertIn("Retry-After", reply.headers)


class DaysTest(AnalyticsCase):
    def test_days_is_a_whole_number_from_1_to_365(self):
        for days in ("0", "366", "-1", "abc", "", "7;drop", "7.5", "1e2", "0x7", "99999999999999999999", "%207",
                     "7'%20or%20'1'='1", "7%00", "7%zz", "%ff"):
            with self.subTest(days):
                reply = self.ask(f"?days={days}")
                self.assertEqual((reply.status, reply.json["error"]), (400, "invalid_request"), reply)
                self.assertEqual(reply.json["details"][0]["field"], "days")
        for query in ("", "?days=1", "?days=7", "?days=365"):
            with self.subTest(query):
                reply = self.ask(query)
                self.assertEqual((reply.status, reply.headers["Cache-Control"]), (200, "no-store"), reply)
                self.assertEqual(set(reply.json), {"summary", "dailyTrend", "topUsers"})

    def test_other_methods_are_refused(self):
        reply = live.ask("POST", "/api/analytics", {}, headers={"Authorization": f"Bearer {self.token}"})
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "GET"), reply)


class NumbersTest(AnalyticsCase):
    def test_jobs_and_what_they_used_are_reported_before_and_after_they_are_counted(self):
        email = some_user()
        for _ in range(2):
            self.assertEqual(live.rename({**frame(*some_layers(3)), "userEmail": email}).status, 200)
        job = live.add_rename({**frame(*some_layers(2)), "userEmail": email}).json["jobId"]
        self.assertEqual(live.wait_for_end(job)["status"], "completed")
        failed = live.add("retry", user=email, times=99)
        self.assertEqual(live.wait_for_end(failed)["status"], "failed")
        used = live.rows(f"""select sum(ai_calls), sum(input_tokens), sum(output_tokens), trim_scale(sum(cost_usd))
                             from only jobs where user_email = '{email}' having count(*) = 4""")[0]
        self.assertEqual(used[0], "8")
        self.assertGreater(int(used[1]) * int(used[2]) * float(used[3]), 0)

        def is_counted():
            return live.fleet.sql(f"select 1 from only jobs where user_email = '{email}' and recorded_at < "
                                  "(select until from usage_counted) having count(*) = 4")

        for counted in (False, True):
            if counted:
                wait_for(is_counted, "they were not counted", PATIENCE)
                time.sleep(2)  # as long as a worker has a report at hand
            line = wait_for(lambda: (found := self.user(email)) and found["total_jobs"] == 4 and found,
                            "the four jobs were not reported", PATIENCE)
            self.assertEqual(line["successful_jobs"], 3)
            self.assertEqual([str(line["input_tokens"]), str(line["output_tokens"])], used[1:3])
            self.assertAlmostEqual(line["cost_usd"], float(used[3]))
            ago = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
                line["last_activity"].replace("Z", "+00:00"))
            self.assertLess(abs(ago.total_seconds()), 600)

    def test_its_three_lists_agree(self):
        live.add("noop", user=some_user(), count=30)
        for days in (1, 30):
            report = self.report(days)
            jobs = {one["type"]: (one["total_jobs"], one["successful"]) for one in report["summary"]}
            by_day = {}
            for one in report["dailyTrend"]:
                before = by_day.get(one["type"], (0, 0))
                by_day[one["type"]] = (before[0] + one["jobs"], before[1] + one["successful"])
            self.assertEqual(by_day, jobs)
            self.assertLessEqual(sum(one["total_jobs"] for one in report["topUsers"]), sum(n for n, _ in jobs.values()))
            dates = [one["date"] for one in report["dailyTrend"]]
            self.assertEqual(dates, sorted(dates))
            for one in report["summary"]:
                self.assertEqual(set(one), {"type", "total_jobs", "successful", "failed", "avg_duration_ms",
                                            "p50_duration_ms", "p95_duration_ms"})
                if one["p50_duration_ms"] is not None:
                    self.assertLessEqual(one["p50_duration_ms"], one["p95_duration_ms"])

    def test_jobs_of_days_past_and_their_percentiles(self):
        type_ = "test." + some_user().partition("@")[0]
        live.fleet.sql(f"""
            insert into jobs (type, status, created_at, duration_ms, user_email)
            select '{type_}', 'completed', now() - n % 20 * interval '1 day', n, 'a@example.com'
              from generate_series(1, 1000) as n""")

        def reported():
            return next((one for one in self.report(20)["summary"] if one["type"] == type_), None)

        line = wait_for(reported, "they were not reported", PATIENCE)
        self.assertEqual((line["total_jobs"], line["avg_duration_ms"]), (1000, 500.5))
        self.assertAlmostEqual(line["p50_duration_ms"] / 500, 1, delta=0.02)
        self.assertAlmostEqual(line["p95_duration_ms"] / 950, 1, delta=0.02)
        trend = [one for one in self.report(7)["dailyTrend"] if one["type"] == type_]
        self.assertEqual([one["jobs"] for one in trend], [50] * 7)


class ScriptTest(AnalyticsCase):
    def test_a_token_is_told_once_and_kept_nowhere(self):
        token = script("create", "nowhere", "--expires", "90d").strip()
        self.assertRegex(token, r"^pft_[A-Za-z0-9_-]{43}$")
        self.assertEqual(self.ask(token=token).status, 200)
        listed = next(one for one in json.loads(script("list", "--json")) if one["name"] == "nowhere")
        self.assertEqual((listed["state"], listed["revokedAt"]), ("good", None))
        self.assertTrue(listed["lastUsedAt"])
        expires = datetime.datetime.fromisoformat(listed["expiresAt"].replace("Z", "+00:00"))
        left = expires - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(left.total_seconds() / 86400, 90, delta=0.1)
        self.assertNotIn(token, script("list"))
        self.assertIn("nowhere", script())
        secret = token[4:]
        self.assertEqual(live.fleet.sql(f"select name from operator_tokens t where t::text like '%{secret}%'"), [])
        for log in (live.fleet.folder / "log").iterdir():
            self.assertNotIn(secret, log.read_text(encoding="utf-8", errors="replace"), log)

    def test_what_makes_no_sense_is_refused(self):
        script("create", "twice", "--json")
        for words, status, saying in (
            (("create", "twice"), 1, "There is a token twice already"),
            (("revoke", "nobody"), 1, "There is no token nobody"),
            (("create",), 2, "usage: token create NAME [--expires 90d]"),
            (("create", "a\nb"), 2, "printable characters"),
            (("create", ""), 2, "printable characters"),
            (("create", "x", "--expires", "soon"), 2, "--expires is a time"),
            (("create", "x", "--expires", "0d"), 2, "--expires is a time"),
            (("create", "x", "--expires", "99999999999d"), 2, "--expires is a time"),
            (("list", "--expires", "1d"), 2, "list has no --expires"),
            (("delete", "x"), 2, "there is no verb delete"),
        ):
            with self.subTest(words):
                self.assertIn(saying, script(*words, status=status))
        self.assertEqual(script("--help").count("\n"), 8)
