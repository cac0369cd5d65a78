"""Teams' credits as clients, a payment provider and operators meet them, and jobs that have a price: nginx in front, two workers,
real PostgreSQL and Redis. After each test the books are in order."""

import json
import os
import signal
import subprocess
import sys
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive
from live import KEY, PATIENCE, at_once
from people import SIGNED_IN, credits_of, people_of
from processes import processes_under
from servers import ROOT, wait_for

live = JobsLive(__file__)
tearDownModule = live.stop
Person = people_of(live)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# What npm's standardwebhooks makes of a secret, an id, a time and a body.
SIGN = """
import { Webhook } from "standardwebhooks";
const [secret, id, at, body] = process.argv.slice(2);
process.stdout.write(new Webhook(secret).sign(id, new Date(at * 1000), body));
"""


def credits(*words):
    return credits_of(live, *words)


class WalletCase(live.Case):
    settings = {**SIGNED_IN, "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_AI_ATTEMPTS": "1",
                "PLUGFLEET_WALLET_WEBHOOK_SECRET": SECRET}

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: self.assertEqual(credits("check"), ("The books are in order.", 0)))

    def team_with(self, amount):
        """A person, and their team, which has so many credits."""
        owner = Person()
        team = owner.new_team()
        if amount:
            self.assertEqual(credits("grant", team, amount), (f"{amount} credits available now", 0))
        return owner, team

    def hold(self, person, team, amount, time=60, **headers):
        body = {"amount": amount, "reason": "a test", "expiresIn": time}
        return person.ask("POST", f"/teams/{team}/wallet/holds", body, **headers)

    def capture(self, person, team, hold, amount, **headers):
        return person.ask("POST", f"/teams/{team}/wallet/holds/{hold}/capture", {"amount": amount}, **headers)

    def release(self, person, team, hold, **headers):
        return person.ask("POST", f"/teams/{team}/wallet/holds/{hold}/release", **headers)

    def wallet(self, person, team):
        """Balance, held, available."""
        shown = person.ask("GET", f"/teams/{team}/wallet").json
        self.assertEqual(shown["currency"], "credits")
        return shown["balance"], shown["held"], shown["available"]


class BooksTest(WalletCase):
    def test_a_team_begins_with_nothing_and_is_granted_credits(self):
        owner, team = self.team_with(0)
        self.assertEqual(self.wallet(owner, team), (0, 0, 0))
        for n in (50, 7):
            self.assertEqual(credits("grant", team, n, "a gift")[1], 0)
        self.assertEqual(self.wallet(owner, team), (57, 0, 57))
        said, status = credits("show", team)
        self.assertEqual(status, 0)
        self.assertIn("available\t57", said)
        self.assertIn("a gift", said)

    def test_operators_are_told_what_is_wrong(self):
        team = self.team_with(0)[1]
        for words, status, said in ((("grant", team, "0"), 1, "number of credits"), (("grant", team, "1.5"), 1, "number of credits"),
                                    (("grant", str(uuid.uuid4()), 1), 1, "There is no team"), (("show", "'; drop"), 1, "not a team's id"),
                                    (("grant", team), 2, "scripts/credits grant"), ((), 2, "scripts/credits grant")):
            told = credits(*words)
            self.assertEqual(told[1], status, told)
            self.assertIn(said, told[0])

    def test_what_moved_them_comes_page_by_page_the_latest_first(self):
        owner, team = self.team_with(50)
        hold = self.hold(owner, team, 10).json["id"]
        self.capture(owner, team, hold, 4)
        seen, cursor = [], ""
        while cursor is not None:
            page = owner.ask("GET", f"/teams/{team}/wallet/entries?limit=1{cursor}").json
            seen += [(entry["kind"], entry["amount"], entry["holdId"]) for entry in page["entries"]]
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        self.assertEqual(seen, [("release", 6, hold), ("capture", 4, hold), ("hold", 10, hold), ("grant", 50, None)])

    def test_who_is_no_admin_reads_and_others_see_nothing(self):
        owner, team = self.team_with(50)
        member, stranger = Person(), Person()
        self.assertEqual(member.accept(owner.invite(team, member, "member")).status, 200)
        hold = self.hold(owner, team, 10).json["id"]
        other_team = stranger.new_team()
        self.assertEqual(self.wallet(member, team), (50, 10, 40))
        for person, where, status in ((member, team, 403), (stranger, team, 404), (stranger, other_team, 404)):
            if where == team:
                self.assertEqual(self.hold(person, where, 1).status, status)
            self.assertEqual(self.capture(person, where, hold, 1).status, status)
            self.assertEqual(self.release(person, where, hold).status, status)
        for path in ("wallet", "wallet/entries"):
            self.assertEqual(stranger.ask("GET", f"/teams/{team}/{path}").status, 404)
        self.assertEqual(self.wallet(owner, team), (50, 10, 40))


class HoldsTest(WalletCase):
    def test_what_is_captured_is_spent_and_the_rest_is_back(self):
        owner, team = self.team_with(50)
        made = self.hold(owner, team, 10)
        self.assertEqual((made.status, made.json["state"], made.json["amount"]), (201, "open", 10))
        self.assertEqual(self.wallet(owner, team), (50, 10, 40))
        taken = self.capture(owner, team, made.json["id"], 4)
        self.assertEqual((taken.status, taken.json["state"], taken.json["captured"]), (200, "captured", 4))
        self.assertEqual(self.wallet(owner, team), (46, 0, 46))
        self.assertEqual(self.release(owner, team, made.json["id"]).status, 409)

    def test_what_is_released_is_back(self):
        owner, team = self.team_with(50)
        hold = self.hold(owner, team, 50).json["id"]
        self.assertEqual(self.release(owner, team, hold).json["state"], "released")
        self.assertEqual(self.wallet(owner, team), (50, 0, 50))
        self.assertEqual(self.capture(owner, team, hold, 1).status, 409)

    def test_too_few_credits_are_a_402_that_says_how_many_are_missing(self):
        owner, team = self.team_with(50)
        refused = self.hold(owner, team, 80)
        self.assertEqual((refused.status, refused.json["error"]), (402, "insufficient_credits"))
        self.assertIn("30 are missing", refused.json["message"])

    def test_a_hundred_debits_of_one_on_a_balance_of_fifty(self):
        owner, team = self.team_with(50)

        def debit(i):
            made = self.hold(owner, team, 1, **{"Idempotency-Key": f"debit-{i}"})
            return made.status if made.status != 201 else self.capture(owner, team, made.json["id"], 1).status

        statuses = at_once(100, debit)
        self.assertEqual((statuses.count(200), statuses.count(402)), (50, 50), statuses)
        self.assertEqual(self.wallet(owner, team), (0, 0, 0))

    def test_a_hold_is_captured_once_however_many_try_at_once(self):
        owner, team = self.team_with(50)
        hold = self.hold(owner, team, 10).json["id"]
        replies = at_once(8, lambda i: self.capture(owner, team, hold, 10, **{"Idempotency-Key": f"other-{i}"}))
        self.assertEqual(sorted(reply.status for reply in replies), [200] + [409] * 7, replies)
        self.assertEqual(self.wallet(owner, team), (40, 0, 40))

    def test_one_key_is_one_hold_and_answers_as_before(self):
        owner, team = self.team_with(50)
        key = {"Idempotency-Key": "one"}
        replies = at_once(8, lambda _: self.hold(owner, team, 10, **key))
        self.assertEqual({(reply.status, reply.json["id"]) for reply in replies}, {(201, replies[0].json["id"])})
        hold = replies[0].json["id"]
        self.assertEqual(self.hold(owner, team, 11, **key).status, 422)
        self.assertEqual(self.capture(owner, team, hold, 10, **key).status, 422)
        self.assertEqual(self.hold(owner, team, 10, **{"Idempotency-Key": "é".encode("utf-8").decode("latin-1")}).status, 400)
        for _ in range(2):
            taken = self.capture(owner, team, hold, 3, **{"Idempotency-Key": "two"})
            self.assertEqual((taken.status, taken.json["captured"]), (200, 3))
        self.assertEqual(self.wallet(owner, team), (47, 0, 47))

    def test_what_was_refused_may_be_asked_again_with_its_key(self):
        owner, team = self.team_with(5)
        key = {"Idempotency-Key": "later"}
        self.assertEqual(self.hold(owner, team, 10, **key).status, 402)
        credits("grant", team, 5)
        self.assertEqual(self.hold(owner, team, 10, **key).status, 201)

    def test_an_overdue_hold_is_given_back_when_it_is_needed(self):
        owner, team = self.team_with(50)
        hold = self.hold(owner, team, 50, time=1).json["id"]
        wait_for(lambda: self.hold(owner, team, 50).status == 201, "it was never given back", PATIENCE)
        self.assertEqual(self.capture(owner, team, hold, 50).status, 409)

    def test_what_is_no_amount_is_refused_by_field(self):
        owner, team = self.team_with(50)
        for amount in (0, -1, 1.5, "1", 10**13, True, None):
            reply = self.hold(owner, team, amount)
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (422, ["amount"]), reply)
        hold = self.hold(owner, team, 10).json["id"]
        reply = self.capture(owner, team, hold, 11)
        self.assertEqual((reply.status, reply.json["details"][0]["field"]), (422, "amount"))
        for unknown in (str(uuid.uuid4()), "%27", "1"):
            self.assertEqual(self.capture(owner, team, unknown, 1).status, 404)
        self.assertEqual(self.wallet(owner, team), (50, 10, 40))


class KilledTest(WalletCase):
    def test_postgresql_is_killed_between_the_key_and_the_booking(self):
        """The accounts are locked by somebody else, so that the request has its key and waits; then kill -9."""
        owner, team = self.team_with(50)
        key = {"Idempotency-Key": "killed"}
        lock = f"begin; select from wallet_accounts where team_id = '{team}' for update; select pg_sleep(60)"
        psql = ["psql", "-h", live.fleet.run / "postgresql", "-U", "plugfleet", "-d", "plugfleet", "-qc", lock]
        with subprocess.Popen(psql, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), ThreadPoolExecutor(1) as pool:
            self.wait_for_query("wait_event = 'PgSleep'", team)
            asked = pool.submit(self.hold, owner, team, 10, **key)
            self.wait_for_query("wait_event_type = 'Lock'", "wallet_hold(")
            for process in processes_under([live.fleet.supervisord]):
                if process.program == "postgres":
                    with_signal(process.pid, signal.SIGKILL)
            self.assertEqual(asked.result(PATIENCE).status, 503)
        wait_for(lambda: self.hold(owner, team, 10, **key).status == 201, "it is never booked", PATIENCE)
        self.assertEqual(self.hold(owner, team, 10, **key).status, 201)
        self.assertEqual(self.wallet(owner, team), (50, 10, 40))

    def wait_for_query(self, how, part):
        waiting = f"select 1 from pg_stat_activity where {how} and query like '%{part}%' and pid <> pg_backend_pid()"
        wait_for(lambda: live.fleet.sql(waiting), f"no {part} waited", PATIENCE)


def with_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class TopUpTest(WalletCase):
    def message(self, team, amount=25, type_="wallet.top_up"):
        return json.dumps({"type": type_, "timestamp": "2026-11-30T12:00:00Z",
                           "data": {"teamId": team, "amount": amount, "reason": "a payment", "currency": "EUR"}})

    def send(self, body, id_=None, at=None, signed=None, secret=SECRET):
        """As a payment provider does; `signed`: another body, which the signature is of."""
        id_ = id_ or f"msg_{uuid.uuid4().hex}"
        at = str(at or int(live.fleet.sql("select extract(epoch from now())::bigint")[0][0]))
        folder = ROOT / "tests/browser"
        done = subprocess.run(["node", "--input-type=module", "-", secret, id_, at, signed or body], input=SIGN, cwd=folder, text=True,
                              stdout=subprocess.PIPE, timeout=60, check=True)
        headers = {"webhook-id": id_, "webhook-timestamp": at, "webhook-signature": done.stdout}
        return live.ask("POST", "/api/v1/wallet/webhook", body.encode(), headers=headers)

    def test_a_signed_message_tops_up_once_however_often_it_comes(self):
        owner, team = self.team_with(0)
        id_ = f"msg_{uuid.uuid4().hex}"
        for reply in at_once(4, lambda _: self.send(self.message(team), id_)):
            self.assertEqual((reply.status, reply.json), (200, {"granted": 25}))
        self.assertEqual(self.wallet(owner, team), (25, 0, 25))
        self.assertEqual(self.send(self.message(team, 26), id_).status, 422)
        self.assertEqual(self.send(self.message(team)).status, 200)
        self.assertEqual(self.wallet(owner, team), (50, 0, 50))

    def test_what_is_not_signed_or_old_gives_nothing(self):
        owner, team = self.team_with(0)
        now = int(live.fleet.sql("select extract(epoch from now())::bigint")[0][0])
        self.assertEqual(self.send(self.message(team, 1000), signed=self.message(team, 1)).status, 401)
        self.assertEqual(self.send(self.message(team), secret="whsec_" + "A" * 32).status, 401)
        for at in (now - 400, now + 400):
            self.assertEqual(self.send(self.message(team), at=at).status, 401)
        self.assertEqual(live.ask("POST", "/api/v1/wallet/webhook", self.message(team).encode()).status, 401)
        self.assertEqual(self.wallet(owner, team), (0, 0, 0))

    def test_what_is_signed_and_wrong_is_refused_and_others_messages_are_passed_over(self):
        team = self.team_with(0)[1]
        self.assertEqual(self.send(self.message(str(uuid.uuid4()))).status, 422)
        self.assertEqual(self.send(self.message(team, -5)).status, 422)
        self.assertEqual(self.send("{").status, 400)
        reply = self.send(self.message(team, type_="invoice.paid"))
        self.assertEqual((reply.status, reply.json), (200, {"granted": 0}))


class PricedJobsTest(WalletCase):
    """probe.priced costs a credit for each 10 tokens, and 20 at the most."""

    def add(self, team, kind="priced", **fields):
        return live.ask("POST", "/probe/jobs", {"kind": kind, "userEmail": "a@example.com", "teamId": team, **fields})

    def test_a_job_holds_the_most_and_costs_what_it_used(self):
        owner, team = self.team_with(50)
        job = self.add(team, ms=1000).json["jobId"]
        self.assertEqual(self.wallet(owner, team), (50, 20, 30))
        self.assertEqual(live.wait_for_end(job)["status"], "completed")
        tokens = int(live.fleet.sql(f"select input_tokens + output_tokens from jobs where id = '{job}'")[0][0])
        cost = min(20, -(-tokens // 10))
        self.assertTrue(0 < cost, tokens)
        self.assertEqual(self.wallet(owner, team), (50 - cost, 0, 50 - cost))

    def test_one_that_fails_or_is_cancelled_costs_nothing(self):
        owner, team = self.team_with(50)
        failed = self.add(team, "priced_fail").json["jobId"]
        running = self.add(team, ms=60_000).json["jobId"]
        self.assertEqual(live.wait_for_end(failed)["status"], "failed")
        live.wait_for_status(running, "processing")
        waiting = self.add(team, delayMs=60_000).json["jobId"]
        self.assertEqual(self.wallet(owner, team), (50, 40, 10))
        for job in (running, waiting):
            self.assertIn(live.ask("DELETE", f"/api/jobs/{job}").status, (200, 202))
            self.assertEqual(live.wait_for_end(job)["status"], "cancelled")
        self.assertEqual(self.wallet(owner, team), (50, 0, 50))

    def test_one_that_is_tried_again_keeps_its_hold(self):
        owner, team = self.team_with(20)
        live.provider.script({"status": 500, "times": 1})
        job = self.add(team).json["jobId"]
        ended = live.wait_for_end(job)
        self.assertEqual((ended["status"], ended["attempt"]), ("completed", 2))
        self.assertEqual(live.fleet.sql(f"select state, captured > 0 from wallet_holds where job_id = '{job}'"), [["captured", "t"]])

    def test_without_credits_there_is_no_job(self):
        owner, team = self.team_with(30)
        replies = at_once(6, lambda _: self.add(team, ms=500))
        self.assertEqual(sorted(reply.status for reply in replies), [202] + [402] * 5, replies)
        refused = next(reply for reply in replies if reply.status == 402)
        self.assertEqual(refused.json["error"], "insufficient_credits")
        self.assertIn("10 are missing", refused.json["message"])
        self.assertEqual(live.fleet.sql(f"select count(*) from jobs where team_id = '{team}'"), [["1"]])
        live.wait_for_end(next(reply for reply in replies if reply.status == 202).json["jobId"])
        self.assertEqual(self.wallet(owner, team)[1], 0)

    def test_an_operators_retry_holds_anew(self):
        owner, team = self.team_with(20)
        job = self.add(team, "priced_fail").json["jobId"]
        live.wait_for_end(job)
        live.fleet.sql(f"select wallet_settle(wallet_hold('{team}', 10, 'spent meanwhile', now() + interval '1 h'), 10, 'captured')")
        done = subprocess.run([ROOT / "scripts/jobs", "retry", job], env=live.fleet.environment, cwd="/", timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("10 are missing", done.stdout)
        self.assertEqual(live.job(job)["status"], "failed")
        credits("grant", team, 10)
        subprocess.run([ROOT / "scripts/jobs", "retry", job], env=live.fleet.environment, cwd="/", timeout=60, check=True,
                       stdout=subprocess.DEVNULL)
        live.wait_for_end(job)
        self.assertEqual(self.wallet(owner, team), (20, 0, 20))
        self.assertEqual(live.fleet.sql(f"select count(*) from wallet_holds where job_id = '{job}'"), [["2"]])

    def test_jobs_of_many_teams_end_side_by_side(self):
        """Runners that end jobs of the same teams in one statement each lock the wallets in one order."""
        teams = [self.team_with(1000)[1] for _ in range(6)]
        jobs = at_once(60, lambda i: self.add(teams[i % 6], ("priced", "priced_fail")[i % 2]).json["jobId"])
        for job in jobs:
            live.wait_for_end(job)
        self.assertEqual(live.fleet.sql("select count(*) from wallet_holds where state = 'open' and job_id is not null"), [["0"]])


if __name__ == "__main__":
    unittest.main()
