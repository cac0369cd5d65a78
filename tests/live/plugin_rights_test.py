"""What plugins may do in their users' names, and what operators do to plugins and teams: nginx in front, two workers, real
PostgreSQL and Redis."""

import json
import re
import sys
import time
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live, frame, layer
from market import Market, some_slug
from people import people_of
from servers import wait_for

live = Live(__file__)
tearDownModule = live.stop
Person = people_of(live)
market = Market(live)


class PluginTokensTest(market.Case):
    GONE = 11  # seconds: what a worker has heard of a token it remembers for ten

    def opened(self, *permissions):
        """A plugin that asks for these, a team that has it, its owner, a member, and the plugin's headers in that member's name."""
        slug = self.published(permissions=permissions)[0]
        team, owner, member = self.team_of("member")
        self.assertEqual(self.install(owner, team, slug).status, 201)
        made = member.ask("POST", f"/teams/{team}/plugins/{slug}/token")
        self.assertEqual(made.status, 201, made)
        self.assertEqual((made.json["permissions"], made.headers["Cache-Control"]), (sorted(permissions, key=permissions.index), "no-store"))
        return slug, team, owner, member, {"Authorization": f"Bearer {made.json['token']}"}

    def test_it_may_do_what_it_was_permitted_and_for_its_team_alone(self):
        _, team, _, member, plugin = self.opened("wallet:read", "rename")
        other = member.new_team()
        ask = lambda path, method="GET", body=None: live.ask(method, f"/api{path}", body, headers={**plugin, "Content-Type": "application/json"})
        self.assertEqual(ask(f"/v1/teams/{team}/wallet").status, 200)
        self.assertEqual(member.ask("GET", f"/teams/{other}/wallet").status, 200)
        self.refused(ask(f"/v1/teams/{other}/wallet"), 404)
        self.assertIn('"team:read"', self.refused(ask(f"/v1/teams/{team}/members"), 403))
        self.assertIn('"profile:read"', self.refused(ask("/v1/user/profile"), 403))
        self.assertEqual(ask("/rename-layers", "POST", frame(layer("1:1"))).status, 200)
        for path, method, body in ((f"/v1/teams/{team}/my-plugins", "GET", None), (f"/v1/teams/{team}", "DELETE", None),
                                   ("/v1/user/tokens", "POST", {"name": "a", "scopes": ["read"]}), ("/v1/user", "DELETE", None),
                                   (f"/v1/teams/{team}/wallet/holds", "POST", {"amount": 1, "reason": "a", "expiresIn": 60})):
            self.assertIn("not taken here", self.refused(ask(path, method, body), 403))
        for wrong in ("pfp_" + "a" * 43, "pfp_", plugin["Authorization"][7:-1]):
            self.refused(live.get(f"/api/v1/teams/{team}/wallet", headers={"Authorization": f"Bearer {wrong}"}), 401)

    def test_each_route_says_which_permission_it_takes(self):
        told = live.get("/openapi.json").json
        wallet = told["paths"]["/api/v1/teams/{id}/wallet"]["get"]["security"]
        self.assertIn({"plugin": ["wallet:read"]}, wallet)
        self.assertIn("wallet:read", told["components"]["securitySchemes"]["plugin"]["description"])
        self.assertNotIn("plugin", str(told["paths"]["/api/v1/teams/{id}/my-plugins"]["get"]["security"]))

    def test_what_a_bundle_asks_for_and_nobody_knows_is_left_out(self):
        slug = self.published(permissions=("wallet:write", "team:read"))[0]
        team, owner = self.team_of()
        self.install(owner, team, slug)
        self.assertEqual(owner.ask("POST", f"/teams/{team}/plugins/{slug}/token").json["permissions"], ["team:read"])

    def test_who_may_not_open_it_gets_none(self):
        slug, team, owner, member, _ = self.opened()
        token = lambda who: who.ask("POST", f"/teams/{team}/plugins/{slug}/token")
        self.refused(token(Person()), 404)
        owner.ask("PUT", f"/teams/{team}/members/{member.id}/plugins/{slug}", {"enabled": False})
        self.refused(token(member), 404)
        self.assertEqual(token(owner).status, 201)
        self.install(owner, team, slug, enabled=False)
        self.refused(token(owner), 404)

    def test_it_ends_within_ten_seconds_of_what_ends_it(self):
        """Both workers have just heard that it is good."""
        ends = {
            "removed": lambda slug, team, owner, member: owner.ask("DELETE", f"/teams/{team}/members/{member.id}"),
            "uninstalled": lambda slug, team, owner, member: owner.ask("DELETE", f"/teams/{team}/plugins/{slug}"),
            "disabled": lambda slug, team, owner, member: self.install(owner, team, slug, enabled=False),
            "shut out": lambda slug, team, owner, member: owner.ask("PUT", f"/teams/{team}/members/{member.id}/plugins/{slug}", {"enabled": False}),
            "blocked": lambda slug, team, owner, member: market.operator("plugins", "block", slug, "a test"),
            "suspended": lambda slug, team, owner, member: market.operator("teams", "suspend", team, "a test"),
        }
        opened = {why: self.opened("wallet:read") for why in ends}
        asks = {why: lambda headers, team=team, plugin=plugin: live.get(f"/api/v1/teams/{team}/wallet", headers={**plugin, **headers})
                for why, (_, team, _, _, plugin) in opened.items()}
        for why, ask in asks.items():
            self.assertEqual({reply.status for replies in live.by_worker(ask).values() for reply in replies}, {200}, why)
            ends[why](*opened[why][:4])
        ended = time.monotonic()
        for why, ask in asks.items():
            wait_for(lambda ask=ask: {reply.status for replies in live.by_worker(ask).values() for reply in replies} == {401},
                     f"who was {why} had a plugin's token", max(0.1, ended + self.GONE - time.monotonic()))


class OperatorsTest(market.Case):
    def test_what_is_blocked_is_gone_at_once_and_comes_back(self):
        slug, publisher, publishers = self.published()
        team, owner = self.team_of()
        self.install(owner, team, slug)
        self.assertIn(slug, self.mine(owner, team))
        self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").status, 200)
        self.assertEqual(market.operator("plugins", "block", slug, "It's malicious; drop table"), (f"{slug} is blocked.", 0))
        self.assertEqual(self.mine(owner, team), {})
        self.refused(live.get(f"/api/v1/marketplace/{slug}"), 404)
        self.assertEqual(live.get(f"/api/v1/marketplace?q={slug}").json["plugins"], [])
        self.refused(self.install(owner, team, slug), 404)
        self.assertEqual(publisher.ask("GET", f"/teams/{publishers}/packages").json["packages"][0]["blockedReason"], "It's malicious; drop table")
        self.assertEqual(owner.ask("GET", f"/teams/{team}/plugins").json["plugins"][0]["blockedReason"], "It's malicious; drop table")
        self.assertIn("malicious", market.operator("plugins", "list")[0])
        self.assertEqual(publisher.ask("GET", f"/teams/{publishers}/audit").json["lines"][0]["action"], "plugin.block")
        self.assertEqual(live.fleet.sql(f"select payload ->> 'slug' from jobs where type = 'marketplace.reconcile' and payload ->> 'slug' = '{slug}'"), [[slug]])
        self.assertEqual(market.operator("plugins", "block", slug, "again")[1], 1)
        self.assertRegex(json.loads(market.operator("plugfleet", "status", "--json")[0])["products"]["plugins"], r"^\d+ published, [1-9]\d* blocked$")
        self.assertEqual(market.operator("plugins", "unblock", slug), (f"{slug} is unblocked.", 0))
        self.assertIn(slug, self.mine(owner, team))
        self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").status, 200)

    def test_a_version_that_is_blocked_is_nobodys_and_the_one_before_it_is_the_latest(self):
        slug = self.published(("1.0.0", "2.0.0"))[0]
        follows, one = self.team_of()
        pinned, other = self.team_of()
        self.install(one, follows, slug)
        self.install(other, pinned, slug, version="2.0.0")
        self.assertEqual(market.operator("plugins", "block", slug, "2.0.0", "It leaks"), (f"{slug} 2.0.0 is blocked.", 0))
        self.assertEqual(self.mine(one, follows)[slug]["version"], "1.0.0")
        self.assertEqual(self.mine(other, pinned), {})
        self.assertEqual([version["version"] for version in live.get(f"/api/v1/marketplace/{slug}").json["versions"]], ["1.0.0"])
        self.refused(self.install(other, pinned, slug, version="2.0.0"), 422)
        self.assertEqual(market.operator("plugins", "unblock", slug, "2.0.0")[1], 0)
        self.assertEqual(self.mine(other, pinned)[slug]["version"], "2.0.0")

    def test_a_suspended_team_is_read_and_not_changed(self):
        slug = self.published()[0]
        team, owner, member = self.team_of("member")
        self.install(owner, team, slug)
        self.assertEqual(market.operator("teams", "suspend", team, "unpaid"), ("A team is suspended.", 0))
        self.assertEqual(market.operator("teams", "suspend", team, "again")[1], 1)
        self.assertRegex(json.loads(market.operator("plugfleet", "status", "--json")[0])["products"]["teams"], r"^[1-9]\d* suspended$")
        self.assertIn(slug, self.mine(member, team))
        told = live.get("/openapi.json").json["paths"]
        for path, methods in told.items():
            at = path.removeprefix("/api/v1").replace("{id}", team).replace("{userId}", member.id).replace("{slug}", slug)
            at = re.sub("{[a-zA-Z]*Id}", str(uuid.uuid4()), at)
            for method, route in methods.items():
                if not path.startswith("/api/v1/teams/{id}") or method == "get" or "requestBody" not in route and method == "put":
                    continue
                content = route.get("requestBody", {}).get("content", {})
                body = content["application/json"].get("example", {}) if "application/json" in content else None
                reply = owner.ask(method.upper(), at, body)
                self.assertIn("suspended", self.refused(reply, 403), (method, path))
        self.assertEqual(market.operator("teams", "unsuspend", team, "paid")[1], 0)
        self.assertEqual(owner.ask("PATCH", f"/teams/{team}", {"name": "B"}).status, 200)
        said = market.operator("teams", "audit", team)
        self.assertEqual(said[1], 0)
        self.assertIn("team.suspend", said[0])
        self.assertIn("unpaid", said[0])

    def test_operators_are_told_what_is_wrong(self):
        for script, words, status, said in (("plugins", ("block", some_slug(), "why"), 1, "There is no plugin"), ("plugins", (), 2, "scripts/plugins list"),
                                            ("plugins", ("block", "a", " "), 2, "scripts/plugins"), ("plugins", ("unblock", "'; drop", "1"), 1, "There is no plugin"),
                                            ("teams", ("suspend", str(uuid.uuid4()), "why"), 1, "There is no team"),
                                            ("teams", ("suspend", "1", "why"), 1, "not a team's id"), ("teams", ("audit",), 2, "scripts/teams")):
            told = market.operator(script, *words)
            self.assertEqual(told[1], status, told)
            self.assertIn(said, told[0])


if __name__ == "__main__":
    unittest.main()
