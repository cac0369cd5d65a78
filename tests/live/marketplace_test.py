"""The marketplace as its clients meet it: nginx in front, two workers, real PostgreSQL and Redis. What is published is put
into the tables here; how that comes about is publish_test's."""

import base64
import hashlib
import re
import subprocess
import sys
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live, at_once
from market import Market, some_slug
from people import people_of
from servers import wait_for

live = Live(__file__)
tearDownModule = live.stop
Person = people_of(live)
market = Market(live)


class MarketplaceCase(market.Case):
    def listed(self, path):
        """All plugins of a list, page by page, and the replies."""
        plugins, cursor = [], ""
        while cursor is not None:
            reply = live.get(f"/api/v1{path}{'&' if '?' in path else '?'}limit=2{cursor}")
            self.assertEqual(reply.status, 200, reply)
            plugins += reply.json["plugins"]
            cursor = reply.json["nextCursor"] and f"&cursor={reply.json['nextCursor']}"
        return plugins


class CatalogTest(MarketplaceCase):
    def test_what_is_published_is_listed_and_what_is_not_is_not(self):
        slug, owner, team = self.published(("1.2.0", "1.10.0"))
        draft = some_slug()
        self.assertEqual(self.package(owner, team, draft).status, 201)
        found = [plugin for plugin in self.listed("/plugins") if plugin["slug"] == slug]
        self.assertEqual(len(found), 1)
        self.assertEqual({**found[0], "updatedAt": ""},
                         {"slug": slug, "name": slug.title(), "summary": f"What {slug} does", "category": "design", "latestVersion": "1.10.0",
                          "iconUrl": f"/plugins/{slug}/1.10.0/icon.png", "publisher": "Publishers", "installs": 0, "updatedAt": ""})
        self.assertNotIn(draft, [plugin["slug"] for plugin in self.listed("/plugins")])
        self.refused(live.get(f"/api/v1/marketplace/{draft}"), 404)

    def test_a_page_has_the_versions_newest_first_and_says_which_are_yanked(self):
        slug = self.published(("1.9.0", "1.10.0", "2.0.0"), ("wallet:read",))[0]
        market.publish(slug, "2.1.0-rc.1", prerelease_key="1rc!0011!")
        live.fleet.sql("update plugin_versions v set yanked_at = now() from plugin_packages p"
                       f" where p.slug = '{slug}' and p.id = v.package_id and version = '2.0.0';"
                       f"select plugin_set_latest(id) from plugin_packages where slug = '{slug}'")
        market.forget("plugins")
        page = live.get(f"/api/v1/marketplace/{slug}").json
        self.assertEqual([(version["version"], version["yanked"]) for version in page["versions"]],
                         [("2.1.0-rc.1", False), ("2.0.0", True), ("1.10.0", False), ("1.9.0", False)])
        self.assertEqual(page["latestVersion"], "1.10.0")  # neither yanked nor a prerelease
        last = page["versions"][-1]
        self.assertEqual((last["permissions"], last["packedBytes"], last["unpackedBytes"], last["files"]), (["wallet:read"], 100, 300, 3))
        self.assertEqual(last["digest"], hashlib.sha256(f"{slug} 1.9.0".encode()).hexdigest())

    def test_a_search_finds_by_name_summary_and_slug_whatever_stands_in_it(self):
        word = uuid.uuid4().hex[:8]
        by_name = self.published(name=f"Über {word}")[0]
        by_summary = self.published(summary=f"Does 100% of {word}_all", category="media")[0]
        other = self.published(name="Nothing")[0]
        search = lambda q, more="": {plugin["slug"] for plugin in self.listed(f"/marketplace?q={q}{more}")}
        self.assertEqual(search(word.upper()), {by_name, by_summary})
        self.assertEqual(search(f"%C3%BCber%20{word}"), {by_name})
        self.assertEqual(search(other), {other})
        self.assertEqual(search(f"{word}%25"), set())  # no letter of it is special
        self.assertEqual(search(f"100%25%20{word}_"), {by_summary})
        self.assertEqual(search(word, "&category=media"), {by_summary})
        facets = live.get(f"/api/v1/marketplace?q={word}&category=media").json["facets"]
        self.assertEqual(facets, [{"category": "design", "plugins": 1}, {"category": "media", "plugins": 1}])

    def test_each_order_comes_page_by_page_each_once(self):
        word = uuid.uuid4().hex[:8]
        slugs = [self.published(summary=word, name=name)[0] for name in ("c", "A", "b", "a", "d")]
        for i, slug in enumerate(slugs):
            live.fleet.sql(f"update plugin_packages set installs = {i // 2} where slug = '{slug}'")
        market.forget("plugins", "plugin-installs")
        found = {sort: self.listed(f"/marketplace?q={word}&sort={sort}") for sort in ("name", "new", "popular")}
        for plugins in found.values():
            self.assertEqual({plugin["slug"] for plugin in plugins}, set(slugs))
            self.assertEqual(len(plugins), len(slugs))
        self.assertEqual([plugin["name"].lower() for plugin in found["name"]], ["a", "a", "b", "c", "d"])
        self.assertEqual([plugin["slug"] for plugin in found["new"]], slugs[::-1])
        self.assertEqual([plugin["installs"] for plugin in found["popular"]], [2, 1, 1, 0, 0])

    def test_what_is_no_query_is_refused_by_name(self):
        cursor = live.get("/api/v1/marketplace?limit=1&sort=name")
        self.published(), self.published()
        cursor = live.get("/api/v1/marketplace?limit=1&sort=name").json["nextCursor"]
        for query, field in (("sort=old", "sort"), (f"q={'a' * 81}", "q"), ("limit=0", "limit"), ("cursor=x", "cursor"),
                             (f"sort=new&cursor={cursor}", "cursor"), ("category=", "category")):
            reply = live.get(f"/api/v1/marketplace?{query}")
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (400, [field]), reply)

    def test_lists_are_kept_and_made_anew_by_what_changes_them(self):
        slug, owner, _ = self.published()
        path = f"/api/v1/marketplace?q={slug}"
        self.assertEqual(live.get(path).headers["X-Cache"], "miss")
        self.assertEqual(live.get(path).headers["X-Cache"], "hit")
        self.assertEqual(owner.ask("PATCH", f"/plugins/{slug}", {"summary": "Another"}).json["summary"], "Another")
        self.assertEqual(live.get(path).json["plugins"][0]["summary"], "Another")
        team, admin = self.team_of()
        self.assertEqual(self.install(admin, team, slug).status, 201)
        self.assertEqual(live.get(path).json["plugins"][0]["installs"], 1)
        market.publish(slug, "1.1.0")
        self.assertEqual(live.get(path).json["plugins"][0]["latestVersion"], "1.1.0")


class PackagesTest(MarketplaceCase):
    def test_a_slug_is_whose_it_was_first(self):
        team, owner, member, viewer = self.team_of("member", "viewer")
        slug, stranger = some_slug(), Person()
        self.refused(self.package(viewer, team, slug), 403)
        self.refused(self.package(stranger, team, slug), 404)
        self.assertEqual(self.package(member, team, slug).status, 201)
        self.assertIn("your team has", self.refused(self.package(owner, team, slug), 409))
        self.assertIn("another team", self.refused(self.package(stranger, stranger.new_team(), slug), 409))
        self.refused(stranger.ask("PATCH", f"/plugins/{slug}", {"name": "Mine"}), 404)
        self.refused(viewer.ask("PATCH", f"/plugins/{slug}", {"name": "Mine"}), 403)
        self.refused(owner.ask("PATCH", f"/plugins/{some_slug()}", {"name": "Mine"}), 404)
        self.assertEqual(member.ask("PATCH", f"/plugins/{slug}", {"name": "Ours"}).json["name"], "Ours")
        packages = viewer.ask("GET", f"/teams/{team}/packages").json["packages"]
        self.assertEqual([(package["slug"], package["name"], package["latestVersion"]) for package in packages], [(slug, "Ours", None)])

    def test_who_comes_at_once_is_one(self):
        people = [Person() for _ in range(6)]
        teams, slug = [person.new_team() for person in people], some_slug()
        replies = at_once(6, lambda i: self.package(people[i], teams[i], slug))
        self.assertEqual(sorted(reply.status for reply in replies), [201] + [409] * 5)

    def test_what_is_no_package_is_refused_by_field(self):
        owner = Person()
        team = owner.new_team()
        for members, field in (({"slug": "A"}, "slug"), ({"slug": "a"}, "slug"), ({"slug": "a" * 51}, "slug"), ({"slug": "../a"}, "slug"),
                               ({"category": "De sign"}, "category"), ({"name": ""}, "name"), ({"summary": "a" * 301}, "summary"),
                               ({"id": "1"}, "id")):
            reply = self.package(owner, team, members.pop("slug", some_slug()), **members)
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (422, [field]), reply)


class InstallsTest(MarketplaceCase):
    def test_an_admin_installs_and_each_member_may_open_it_at_once(self):
        slug = self.published(("1.0.0", "2.0.0"))[0]
        team, owner, admin, member, viewer = self.team_of("admin", "member", "viewer")
        self.assertEqual(self.mine(member, team), {})
        for person in (member, viewer):
            self.refused(self.install(person, team, slug), 403)
        made = self.install(admin, team, slug, config={"theme": "dark", "n": [1, 2.5, None, True]})
        self.assertEqual((made.status, made.json["version"], made.json["latestVersion"]), (201, "latest", "2.0.0"))
        integrity = "sha256-" + base64.b64encode(hashlib.sha256(f"{slug} 2.0.0".encode()).digest()).decode()
        for person in (owner, member, viewer):
            self.assertEqual(self.mine(person, team)[slug],
                             {"slug": slug, "name": slug.title(), "version": "2.0.0", "entryUrl": f"/plugins/{slug}/2.0.0/index.html",
                              "integrity": integrity, "iconUrl": f"/plugins/{slug}/2.0.0/icon.png", "pinned": False,
                              "config": {"theme": "dark", "n": [1, 2.5, None, True]}})
        self.assertEqual(self.install(admin, team, slug, version="1.0.0").status, 200)
        self.assertEqual(self.mine(member, team)[slug]["version"], "1.0.0")
        self.assertEqual(self.mine(member, team)[slug]["config"]["theme"], "dark")  # as it was
        self.install(admin, team, slug, enabled=False)
        self.assertEqual(self.mine(member, team), {})
        installs = admin.ask("GET", f"/teams/{team}/plugins").json["plugins"]
        self.assertEqual([(one["slug"], one["version"], one["enabled"]) for one in installs], [(slug, "latest", False)])
        self.refused(member.ask("GET", f"/teams/{team}/plugins"), 403)
        self.assertEqual(admin.ask("DELETE", f"/teams/{team}/plugins/{slug}").status, 204)
        self.refused(admin.ask("DELETE", f"/teams/{team}/plugins/{slug}"), 404)
        self.assertEqual(live.fleet.sql(f"select installs from plugin_packages where slug = '{slug}'"), [["0"]])

    def test_installs_at_once_are_counted_once_each(self):
        slug = self.published()[0]
        teams = [self.team_of() for _ in range(4)]
        replies = at_once(12, lambda i: self.install(teams[i % 4][1], teams[i % 4][0], slug))
        self.assertEqual(sorted(reply.status for reply in replies), [200] * 8 + [201] * 4)
        self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").json["installs"], 4)

    def test_what_a_deleted_team_had_is_forgotten_at_night(self):
        slug = self.published()[0]
        teams = [self.team_of() for _ in range(3)]
        for team, owner in teams:
            self.assertEqual(self.install(owner, team, slug).status, 201)
            owner.ask("PUT", f"/teams/{team}/members/{owner.id}/plugins/{slug}", {"pinned": True})
        for team, owner in teams[:2]:
            self.assertEqual(owner.ask("DELETE", f"/teams/{team}").status, 204)
        live.fleet.sql("select queue_job('marketplace.tidy', 'null')")
        wait_for(lambda: live.get(f"/api/v1/marketplace/{slug}").json["installs"] == 1, "nobody was tidy", 60)
        counts = [live.fleet.sql(f"select count(*) from {table} i join plugin_packages p on p.id = package_id where slug = '{slug}'")[0][0]
                  for table in ("team_plugin_installs", "team_member_plugin_access")]
        self.assertEqual(counts, ["1", "1"])

    def test_what_can_not_be_installed_is_refused(self):
        slug = self.published(("1.0.0", "1.1.0"))[0]
        team, owner = self.team_of()
        self.refused(self.install(owner, team, some_slug()), 404)
        for members, field in (({"version": "9.9.9"}, "version"), ({"version": "' or 1=1"}, "version"), ({"config": []}, "config"),
                               ({"config": {"a": "x" * 17_000}}, "config"), ({"config": {"a": "\ud800"}}, "config"), ({"enabled": 1}, "enabled")):
            reply = self.install(owner, team, slug, **members)
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (422, [field]), reply)
        live.fleet.sql(f"update plugin_versions set yanked_at = now() where version = '1.0.0' and package_id in (select id from plugin_packages where slug = '{slug}')")
        self.refused(self.install(owner, team, slug, version="1.0.0"), 422)

    def test_who_has_pinned_a_version_keeps_it_when_it_is_yanked(self):
        slug = self.published(("1.0.0", "1.1.0"))[0]
        team, owner = self.team_of()
        self.install(owner, team, slug, version="1.0.0")
        live.fleet.sql(f"update plugin_versions set yanked_at = now() where version = '1.0.0' and package_id in (select id from plugin_packages where slug = '{slug}')")
        market.forget("plugins")
        self.assertEqual(self.mine(owner, team)[slug]["version"], "1.0.0")
        self.assertEqual(self.install(owner, team, slug, version="1.0.0", config={"a": 1}).status, 200)

    def test_a_version_that_is_pinned_shows_its_own_icon(self):
        slug = self.published(("1.0.0", "2.0.0"))[0]
        live.fleet.sql(f"update plugin_versions set icon_path = 'new.svg' where version = '2.0.0' and package_id in"
                       f" (select id from plugin_packages where slug = '{slug}');"
                       f" select plugin_set_latest(id) from plugin_packages where slug = '{slug}'")
        team, owner = self.team_of()
        for version, icon in (("latest", "2.0.0/new.svg"), ("1.0.0", "1.0.0/icon.png")):
            self.install(owner, team, slug, version=version)
            self.assertEqual(self.mine(owner, team)[slug]["iconUrl"], f"/plugins/{slug}/{icon}")

    def test_the_audit_log_tells_admins_who_did_it(self):
        slug = self.published()[0]
        team, owner, member = self.team_of("member")
        self.install(owner, team, slug)
        owner.ask("PUT", f"/teams/{team}/members/{member.id}/plugins/{slug}", {"enabled": False})
        owner.ask("DELETE", f"/teams/{team}/plugins/{slug}")
        seen, cursor = [], ""
        while cursor is not None:
            page = owner.ask("GET", f"/teams/{team}/audit?limit=2{cursor}").json
            seen += page["lines"]
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        self.assertEqual([line["action"] for line in seen], ["plugin.uninstall", "plugin.access", "plugin.install", "invitation.accept",
                                                             "invitation.create", "team.create"])
        self.assertEqual((seen[2]["userId"], seen[2]["userName"], seen[2]["details"]["plugin"]), (owner.id, owner.email, slug))
        self.refused(member.ask("GET", f"/teams/{team}/audit"), 403)
        self.refused(owner.ask("GET", f"/teams/{team}/audit?cursor=WyJhIl0"), 400)  # ["a"]


class MyPluginsTest(MarketplaceCase):
    def test_they_are_kept_for_each_member_and_follow_what_is_published(self):
        slug = self.published()[0]
        team, owner, member = self.team_of("member")
        self.install(owner, team, slug)
        path = f"/teams/{team}/my-plugins"
        self.assertEqual([member.ask("GET", path).headers["X-Cache"] for _ in range(2)], ["miss", "hit"])
        self.assertEqual(owner.ask("GET", path).headers["X-Cache"], "miss")
        market.publish(slug, "1.1.0")
        self.assertEqual(self.mine(member, team)[slug]["version"], "1.1.0")
        self.refused(member.ask("GET", f"/teams/{team.upper()}/my-plugins"), 404)

    def test_who_is_removed_is_never_shown_what_was_kept(self):
        slug = self.published()[0]
        team, owner, member = self.team_of("member")
        self.install(owner, team, slug)
        self.assertIn(slug, self.mine(member, team))
        self.assertEqual(owner.ask("DELETE", f"/teams/{team}/members/{member.id}").status, 204)
        self.refused(member.ask("GET", f"/teams/{team}/my-plugins"), 404)
        other = self.team_of("viewer")
        self.mine(other[2], other[0])
        self.assertEqual(other[1].ask("DELETE", f"/teams/{other[0]}").status, 204)
        self.refused(other[2].ask("GET", f"/teams/{other[0]}/my-plugins"), 404)

    def test_who_may_say_what_of_whom(self):
        slug = self.published()[0]
        team, _, admin, member, viewer = self.team_of("admin", "member", "viewer")
        self.install(admin, team, slug)
        put = lambda who, whom, **body: who.ask("PUT", f"/teams/{team}/members/{whom.id}/plugins/{slug}", body)
        self.assertEqual(put(member, member, enabled=True, pinned=True).json, {"enabled": True, "pinned": True})
        self.assertTrue(self.mine(member, team)[slug]["pinned"])
        self.assertFalse(self.mine(admin, team)[slug]["pinned"])
        for who, whom, body, status in ((member, member, {"enabled": False}, 403), (member, viewer, {"enabled": False}, 403),
                                        (member, viewer, {"pinned": True}, 403), (admin, viewer, {"pinned": True}, 403),
                                        (viewer, viewer, {"pinned": True}, 403), (admin, Person(), {"enabled": False}, 404)):
            self.refused(put(who, whom, **body), status)
        self.assertEqual(put(admin, member, enabled=False).json, {"enabled": False, "pinned": True})
        self.assertEqual(self.mine(member, team), {})
        self.refused(put(member, member, enabled=True), 403)
        admin.ask("DELETE", f"/teams/{team}/plugins/{slug}")
        self.install(admin, team, slug)
        self.assertEqual(self.mine(member, team), {})  # still
        put(admin, member, enabled=True)
        self.assertTrue(self.mine(member, team)[slug]["pinned"])

    def test_no_list_takes_more_than_two_statements(self):
        slugs = [self.published(("1.0.0", "1.1.0"))[0] for _ in range(3)]
        team, owner, member = self.team_of("member")
        for slug in slugs:
            self.install(owner, team, slug)
        account = member.id  # whose row is there, then
        self.log_statements("set log_statement = 'all'")
        self.addCleanup(self.log_statements, "reset log_statement")
        for path in ("/plugins", "/marketplace?q=a", f"/marketplace/{slugs[0]}", f"/teams/{team}/my-plugins", f"/teams/{team}/plugins",
                     f"/teams/{team}/packages", f"/teams/{team}/audit", f"/teams/{team}/members?limit=1", "/teams"):
            with self.subTest(path=path):
                market.forget("plugins", "plugin-installs")
                made = self.statements(lambda: self.assertEqual(owner.ask("GET", path).status, 200))
                self.assertTrue(1 <= len(made) <= 2, made)
        self.assertTrue(account)

    def log_statements(self, how):
        subprocess.run(["psql", "-h", live.fleet.run / "postgresql", "-U", "postgres", "-qX", "-c", f"alter system {how}", "-c",
                        "select pg_reload_conf()"], stdout=subprocess.DEVNULL, timeout=60, check=True)

    def statements(self, ask):
        """Those that PostgreSQL was sent meanwhile, but for what the fleet does of itself."""
        mark, log = uuid.uuid4().hex, live.fleet.folder / "log/postgresql.log"
        live.fleet.sql(f"select '{mark} begin'")
        ask()
        live.fleet.sql(f"select '{mark} end'")
        text = wait_for(lambda: (all_ := log.read_text(encoding="utf-8")) and f"{mark} end" in all_ and all_, "the log had no statements")
        told = re.split(r"LOG:  (?:execute [^:]*|statement): ", text[text.index(f"{mark} begin"):text.index(f"{mark} end")])
        return [one for one in told[1:] if re.search(r"\b(plugin_packages|team_members|teams|users|audit_log)\b", one)]


if __name__ == "__main__":
    unittest.main()
