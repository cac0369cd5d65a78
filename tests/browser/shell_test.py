"""The web shell as its users meet it: Chromium, nginx, a real fleet. What happens in the browser is in shell_*.mjs; here is
what it is given, and what must have come of it. Screenshots are left in build/screenshots."""

import base64
import json
import os
import secrets
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bundles import files_of, zip_of
from live import Live
from people import credits_of
from plugins import put_plugin
from servers import ROOT

live = Live(__file__)
tearDownModule = live.stop

PLUGINS = Path(__file__).resolve().parent / "shell_plugins"
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


def count_jobs(team, date, jobs):
    """As if the team had had them done that day."""
    for dimension, name in (("kind", "rename-layers"), ("plugin", ""), ("user", "")):
        live.fleet.sql(f"insert into usage_by_team values ('{team}', '{dimension}', {date}, '{name}', {jobs}, {jobs - 2}, 2, {jobs * 900}, "
                       f"{jobs * 3})")


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


    def put(self, team, slug, version="1.0.0", words="", **known):
        """A plugin of shell_plugins/, installed for the team."""
        page = f"<!doctype html><title>{slug}</title><p>{words}</p><script type=module src=app.js></script>"
        put_plugin(live.fleet, team, slug, {"index.html": page.encode(), "app.js": (PLUGINS / f"{slug}.js").read_bytes()},
                   version=version, name=slug.capitalize(), **known)


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

    def test_usage_has_charts_and_numbers(self):
        person = self.somebody_of_a_team()
        count_jobs(person.team, "current_date", 34)
        count_jobs(person.team, "current_date - 20", 1200)
        self.run_scenario("usage", link=person.link)


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


class MarketplaceTest(ShellCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.person = Somebody()
        cls.person.team = cls.person.new_team()
        live.fleet.sql("delete from plugin_packages")
        categories = ("design", "finance", "writing", "research", "support")
        for n in range(250):
            put_plugin(live.fleet, cls.person.team, f"plugin-{n:03}", {"index.html": b"Hello"}, name=f"Plugin number {n}",
                       summary="Names what you select by what it looks like, all of it in one go; it keeps what was good already",
                       category=categories[n % 5], installs=n * 7)
        files = {"index.html": b"Hello", "icon.svg": (ROOT / "modules/marketplace/web/icon.svg").read_bytes()}
        for version in ("1.2.0", "1.10.0"):
            put_plugin(live.fleet, cls.person.team, "colour-names", files, version=version, name="Colour names",
                       summary="Says what a colour is called", icon="icon.svg", permissions=("wallet:read", "rename"), installs=4000,
                       readme="<h1>Colour names</h1><p>Paste a colour, and it says <strong>what it is called</strong>.</p>"
                              "<ul><li>In English</li></ul><pre><code>#ff0000 is red\n</code></pre>")
        cls.person.ask("PATCH", "/plugins/colour-names", {"category": "design"})  # and what was kept of the catalog is not any more

    def test_a_plugin_is_found_among_many(self):
        self.run_scenario("searching", plugins=251, first="Colour names", last="Plugin number 0")

    def test_it_is_installed_at_once_undone_refused_and_pinned(self):
        person = self.somebody_of_a_team()
        self.run_scenario("installingAtOnce", link=person.link)
        (install,) = person.ask("GET", f"/teams/{person.team}/plugins").json["plugins"]
        self.assertEqual((install["slug"], install["version"]), ("colour-names", "1.2.0"))

    def test_a_team_takes_a_name_and_uploads_a_version(self):
        person = self.somebody_of_a_team()
        slug = f"tidy-{secrets.token_hex(4)}"
        bundle = base64.b64encode(zip_of(files_of(slug))).decode()
        self.run_scenario("publishing", link=person.link, slug=slug, bundle=bundle)
        (package,) = person.ask("GET", f"/teams/{person.team}/packages").json["packages"]
        self.assertEqual((package["name"], package["latestVersion"]), ("Tidy tables", "1.0.0"))


class RunningTest(ShellCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.person = Somebody()
        cls.person.team = cls.person.new_team()
        said, status = credits_of(live, "grant", cls.person.team, 77)
        assert status == 0, said
        live.fleet.sql("delete from plugin_packages")

    def installed(self, slug, **known):
        if not live.fleet.sql(f"select 1 from plugin_packages where slug = '{slug}'"):
            self.put(self.person.team, slug, **known)
        reply = self.person.ask("PUT", f"/teams/{self.person.team}/plugins/{slug}", {"version": "latest"})
        self.assertIn(reply.status, (200, 201), reply)
        return {"link": self.person.link, "email": self.person.email, "team": "Design"}

    def polite(self):
        return self.installed("polite", words="version 1", permissions=("wallet:read",))

    def test_a_plugin_is_told_who_uses_it_and_asks_by_a_token(self):
        self.run_scenario("aPluginIsGivenItsSession", **self.polite())

    def test_a_token_is_renewed_before_it_ends(self):
        self.run_scenario("aTokenIsRenewed", **self.polite())

    def test_a_new_version_is_told_and_taken_when_its_user_says_so(self):
        given = self.polite()
        process = subprocess.Popen(
            ["node", ROOT / "tests/browser/shell.mjs", "aNewVersionIsTold", f"https://localhost:{live.fleet.https_port}", json.dumps(given)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = process.stdout.readline()
        if said == "OPEN\n":
            self.put(self.person.team, "polite", version="2.0.0", words="version 2", permissions=("wallet:read",))
            self.person.ask("PATCH", "/plugins/polite", {"summary": "Says hello"})  # what was kept is not any more
        rest, _ = process.communicate("go\n", timeout=120)
        self.assertEqual(process.returncode, 0, said + rest)
        live.fleet.sql("delete from plugin_packages where slug = 'polite'")

    def test_a_hostile_plugin_gets_nothing(self):
        found = self.run_scenario("aHostilePluginGetsNothing", **self.installed("hostile"))
        for name in ("cookie", "storage", "session storage", "database", "parent", "another server"):
            self.assertRegex(found[name], "^(refused|none)", name)
        self.assertEqual(found["popup"], "none")
        self.assertEqual(found["profile without asking"], "401")
        self.assertRegex(found["profile"], "^(refused|401)")
        self.assertRegex(found["a worker"], "^refused")
        self.assertNotEqual(found["a frame"], "read")
        self.assertEqual(found["token"], "403")
        self.assertEqual(self.person.ask("GET", "/user/profile").status, 200)  # it signed nobody out

    def test_who_sends_too_many_messages_is_closed(self):
        self.run_scenario("aFloodIsClosed", **self.installed("flood"))

    def test_who_sends_too_many_by_its_port_is_closed(self):
        self.run_scenario("aFloodByItsPortIsClosed", **self.installed("port-flood"))

    def test_who_goes_to_another_page_is_closed(self):
        self.polite()
        self.run_scenario("aPluginThatGoesElsewhereIsClosed", **self.installed("wanderer"))

    def test_who_loops_for_ever_stops_nothing_else(self):
        self.run_scenario("aPluginThatLoopsStopsNothing", **self.installed("loop"))

    def test_the_samples_do_their_work_within_their_budgets(self):
        count_jobs(self.person.team, "current_date - 3", 1234)
        for slug, budget in (("wallet", 200), ("usage", 300), ("rename", 150)):
            folder = ROOT / os.environ.get("BUILD", "build/release") / "samples" / slug
            files = {file.name: file.read_bytes() for file in folder.iterdir()}
            manifest = json.loads(files["plugin.json"])
            self.assertLess(sum(map(len, files.values())), budget * 1024, slug)
            put_plugin(live.fleet, self.person.team, slug, files, name=manifest["name"],
                       permissions=manifest["permissions"], icon=manifest["icon"])
            self.installed(slug)
        names = self.run_scenario("theSamples", link=self.person.link)
        self.assertEqual(len(set(names)), 3, names)

    def test_a_plugin_that_is_not_there_is_told_in_a_sentence(self):
        self.run_scenario("aPluginThatIsNotThere", link=self.person.link)


if __name__ == "__main__":
    unittest.main()
