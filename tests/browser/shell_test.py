"""The web shell as its users meet it: Chromium, nginx, a real fleet. What happens in the browser is in shell_*.mjs; here is
what it is given, and what must have come of it. Screenshots are left in build/screenshots."""

import json
import os
import secrets
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live
from people import credits_of
from servers import ROOT

live = Live(__file__)
tearDownModule = live.stop

FIRST_LOAD = 60 * 1024  # bytes, packed, of scripts and styles; the build checks the same


def setUpModule():
    build = {"BUILD": os.environ.get("BUILD", "build/release")}
    subprocess.run([ROOT / "scripts/dev/plugin", "for-tests"], check=True, timeout=300, env={**os.environ, **build})
    subprocess.run([ROOT / "scripts/dev/web-shell"], check=True, timeout=300, env={**os.environ, **build})


class Somebody:
    """Signed in at the API; `link` signs a browser in, each time another."""

    def __init__(self):
        self.email = f"{secrets.token_hex(4)}@example.com"
        self.headers = live.session(self.email)

    @property
    def link(self):
        return live.token("sign-in", self.email)

    def ask(self, method, path, body=None):
        headers = {**self.headers, **({"Content-Type": "application/json"} if body is not None else {})}
        return live.ask(method, f"/api/v1{path}", body, headers=headers)

    def new_team(self, name="Design"):
        reply = self.ask("POST", "/teams", {"name": name})
        assert reply.status == 201, reply
        return reply.json["id"]


class ShellCase(live.Case):
    settings = {"PLUGFLEET_AI_PROVIDER": "offline", "PLUGFLEET_REQUESTS_PER_MINUTE": "100000"}

    def run_scenario(self, name, **given):
        """What the scenario returns; its output is the failure when it fails."""
        done = subprocess.run(
            ["node", ROOT / "tests/browser/shell.mjs", name, f"https://localhost:{live.fleet.https_port}", json.dumps(given)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return json.loads(done.stdout.splitlines()[-1])

    def somebody_of_a_team(self):
        person = Somebody()
        person.team = person.new_team()
        return person


class AccountsTest(ShellCase):
    def test_one_signs_in_by_a_link_and_out(self):
        person = self.somebody_of_a_team()
        self.run_scenario("signingIn", link=person.link, email=person.email)
        self.assertEqual(person.ask("GET", "/user/profile").json["name"], "Ada Lovelace")

    def test_who_is_in_no_team_makes_one_and_another(self):
        self.run_scenario("aFirstTeam", link=Somebody().link)

    def test_one_invites_another_who_joins_and_is_removed(self):
        owner, guest = self.somebody_of_a_team(), Somebody()
        self.run_scenario("aTeam", owner=owner.link, ownerAgain=owner.link, ownerEmail=owner.email, guest=guest.link,
                          guestEmail=guest.email)
        members = owner.ask("GET", f"/teams/{owner.team}/members").json["members"]
        self.assertEqual([(member["email"], member["role"]) for member in members], [(owner.email, "owner")])

    def test_a_token_is_made_shown_once_and_revoked(self):
        said = self.run_scenario("tokens", link=self.somebody_of_a_team().link)
        reply = live.get("/api/v1/teams", headers={"Authorization": f"Bearer {said['made']}"})
        self.assertEqual(reply.status, 401)

    def test_a_wallet_shows_what_there_is_and_what_moved_it(self):
        person = self.somebody_of_a_team()
        said, status = credits_of(live, "grant", person.team, 1294)
        self.assertEqual(status, 0, said)
        for number in range(60):
            body = {"amount": 1, "reason": f"Renaming the layers of frame {number}", "expiresIn": 600}
            self.assertEqual(person.ask("POST", f"/teams/{person.team}/wallet/holds", body).status, 201)
        self.run_scenario("wallet", link=person.link, entries=61)


class FrameTest(ShellCase):
    def test_what_is_kept_is_not_asked_for_again(self):
        self.run_scenario("nothingIsAskedTwice", link=self.somebody_of_a_team().link)

    def test_all_of_it_goes_by_keyboard(self):
        self.run_scenario("byKeyboardAlone", link=self.somebody_of_a_team().link)

    def test_without_a_network_what_is_kept_is_there_and_the_rest_is_told(self):
        person = self.somebody_of_a_team()
        self.run_scenario("withoutANetwork", link=person.link, email=person.email)

    def test_a_server_that_is_not_there_is_told_in_a_sentence(self):
        self.run_scenario("aServerThatIsNotThere", link=self.somebody_of_a_team().link)

    def test_the_first_load_is_small(self):
        said = self.run_scenario("theFirstLoad", link=self.somebody_of_a_team().link, team="Design")
        print(f"\n  first load: {said['bytes'] / 1024:.1f} KB over the wire; usable after {said['usable']:.0f} ms on a line of "
              f"1.6 Mbit/s with 150 ms", file=sys.stderr)
        self.assertLess(said["bytes"], FIRST_LOAD)


if __name__ == "__main__":
    unittest.main()
