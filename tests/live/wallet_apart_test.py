"""A wallet that has a database of its own: teams are in the fleet's, and their credits are not."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import PATIENCE, Live
from people import SIGNED_IN, credits_of, people_of
from servers import wait_for

live = Live(__file__)
tearDownModule = live.stop
Person = people_of(live)


class WalletApartTest(live.Case):
    settings = {**SIGNED_IN, "PLUGFLEET_AI_PROVIDER": "offline", "MODULE_DATABASES": "wallet"}

    def test_credits_are_granted_held_captured_and_given_back(self):
        owner = Person()
        team = owner.new_team()
        self.assertEqual(credits_of(live, "grant", team, 50), ("50 credits available now", 0))
        holds = f"/teams/{team}/wallet/holds"
        body = {"amount": 10, "reason": "a test", "expiresIn": 60}
        key = {"Idempotency-Key": "one"}
        hold = owner.ask("POST", holds, body, **key).json["id"]
        self.assertEqual(owner.ask("POST", holds, body, **key).json["id"], hold)
        self.assertEqual(owner.ask("POST", f"{holds}/{hold}/capture", {"amount": 4}).status, 200)
        shown = owner.ask("GET", f"/teams/{team}/wallet").json
        self.assertEqual((shown["balance"], shown["held"]), (46, 0))
        kinds = [entry["kind"] for entry in owner.ask("GET", f"/teams/{team}/wallet/entries").json["entries"]]
        self.assertEqual(kinds, ["release", "capture", "hold", "grant"])
        self.assertEqual(live.fleet.sql("select to_regclass('wallet_accounts') is null"), [["t"]])
        self.assertEqual(credits_of(live, "check"), ("The books are in order.", 0))

    def test_overdue_holds_are_given_back_by_the_clock(self):
        owner = Person()
        team = owner.new_team()
        credits_of(live, "grant", team, 50)
        body = {"amount": 10, "reason": "a test", "expiresIn": 1}
        self.assertEqual(owner.ask("POST", f"/teams/{team}/wallet/holds", body).status, 201)
        shown = lambda: owner.ask("GET", f"/teams/{team}/wallet").json
        wait_for(lambda: shown()["available"] == 50, "it was never available again", PATIENCE)  # as soon as it is overdue
        self.assertEqual((shown()["held"], shown()["balance"]), (0, 50))
        overdue = "select 1 from wallet_holds where state = 'open' and expires_at <= now()"
        wait_for(lambda: live.fleet.sql(overdue, "plugfleet_module_wallet"), "it never was overdue", PATIENCE)
        # The keeper believes that it is late with it.
        late = "update cron_runs set last_time = last_time - interval '2 days' where name = 'wallet_expire_holds' returning 1"
        wait_for(lambda: live.fleet.sql(late), "the keeper never saw the entry", PATIENCE)
        wait_for(lambda: not live.fleet.sql(overdue, "plugfleet_module_wallet"), "it was never given back", PATIENCE)
        self.assertEqual((shown()["held"], shown()["available"]), (0, 50))


if __name__ == "__main__":
    unittest.main()
