"""Plugins for live tests: what is published is put into the tables.

    market = Market(live)
    class SomethingTest(market.Case): ...
"""

import hashlib
import subprocess
import uuid

from people import SIGNED_IN, people_of
from servers import ROOT


def some_slug(name="p"):
    return f"{name}-{uuid.uuid4().hex[:10]}"


class Market:
    def __init__(self, live):
        self.live, self.Case = live, case_of(live, self)

    def operator(self, script, *words):
        """What scripts/SCRIPT prints, and its exit status."""
        done = subprocess.run([ROOT / "scripts" / script, *map(str, words)], env=self.live.fleet.environment, cwd="/", timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip(), done.returncode

    def forget(self, *tags):
        """Whoever publishes by hand says so."""
        subprocess.run(["bash", "-c", f"source {ROOT}/scripts/lib/common.sh && find_fleet && forget_replies \"$@\"", "-", *tags],
                       env=self.live.fleet.environment, cwd="/", timeout=60, check=True)

    def publish(self, slug, version, permissions=(), prerelease_key=None):
        """A version of a package that is there already, live at once."""
        numbers = version.partition("-")[0].split(".")
        digest = hashlib.sha256(f"{slug} {version}".encode()).hexdigest()
        key = "null" if prerelease_key is None else f"'{prerelease_key}'"
        self.live.fleet.sql(f"""
            with v as (
              insert into plugin_versions (package_id, version, major, minor, patch, prerelease_key, digest, entry, permissions,
                                           packed_bytes, unpacked_bytes, files, icon_path)
              select id, '{version}', {numbers[0]}, {numbers[1]}, {numbers[2]}, {key}, '{digest}', 'index.html',
                     '{{{",".join(permissions)}}}', 100, 300, 3, 'icon.png' from plugin_packages where slug = '{slug}' returning id
            ), d as (insert into plugin_deployments (version_id) select id from v)
            update plugin_packages set published_at = coalesce(published_at, now()) where slug = '{slug}';
            select plugin_set_latest(id) from plugin_packages where slug = '{slug}'""")
        self.forget("plugins")
        return digest


def case_of(live, market):
    Person = people_of(live)

    class MarketplaceCase(live.Case):
        settings = {**SIGNED_IN, "PLUGFLEET_AI_PROVIDER": "offline"}

        def refused(self, reply, status):
            self.assertEqual(reply.status, status, reply)
            return reply.json["message"]

        def package(self, owner, team, slug, **members):
            body = {"teamId": team, "slug": slug, "name": slug.title(), "summary": f"What {slug} does", "category": "design", **members}
            return owner.ask("POST", "/plugins", body)

        def published(self, versions=("1.0.0",), permissions=(), **members):
            """A slug with these versions, its publisher and their team."""
            owner, slug = Person(), some_slug()
            team = owner.new_team("Publishers")
            self.assertEqual(self.package(owner, team, slug, **members).status, 201)
            for version in versions:
                market.publish(slug, version, permissions)
            return slug, owner, team

        def team_of(self, *roles):
            """A team's id, its owner, and a member of each role."""
            owner = Person()
            team = owner.new_team()
            members = [Person() for _ in roles]
            for member, role in zip(members, roles):
                self.assertEqual(member.accept(owner.invite(team, member, role)).status, 200)
            return team, owner, *members

        def install(self, admin, team, slug, **members):
            return admin.ask("PUT", f"/teams/{team}/plugins/{slug}", {"version": "latest", "enabled": True, **members})

        def mine(self, person, team):
            reply = person.ask("GET", f"/teams/{team}/my-plugins")
            self.assertEqual(reply.status, 200, reply)
            return {plugin["slug"]: plugin for plugin in reply.json["plugins"]}

    return MarketplaceCase
