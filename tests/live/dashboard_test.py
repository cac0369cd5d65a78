"""What teams see of their jobs: nginx in front, two workers, runners, real PostgreSQL and Redis."""

import csv
import io
import sys
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live, frame, layer
from people import SIGNED_IN, people_of
from servers import wait_for

live = Live(__file__)
tearDownModule = live.stop
Person = people_of(live)


def day(ago=0):
    return str((datetime.now(timezone.utc) - timedelta(days=ago)).date())


def put_jobs(team, owner, count, ago=0, kind="notes.digest", plugin=None, status="completed", ms=100, tokens=10, most=None):
    """Ended jobs of a team, as if they had ended just now."""
    price = "null" if most is None else f"""'{{"most": {most}, "per_usd": 0, "per_1000_tokens": 100}}'"""
    live.fleet.sql(f"""
        insert into jobs (type, status, user_email, user_id, owner, created_at, started_at, completed_at, duration_ms, input_tokens, team_id, plugin, price)
        select '{kind}', '{status}', 'a@example.com', '{owner.subject}', '{owner.subject}', now() - {ago} * interval '1 day', now(), now(),
               {ms}, {tokens}, '{team}', {f"'{plugin}'" if plugin else "null"}, {price} from generate_series(1, {count})""")


def counted():
    """Once keepers have counted all that is there."""
    now = live.fleet.sql("select clock_timestamp()")[0][0]
    wait_for(lambda: live.fleet.sql(f"select 1 from usage_counted where until > '{now}'"), "nobody counted", 60)


class DashboardCase(live.Case):
    settings = {**SIGNED_IN, "PLUGFLEET_AI_PROVIDER": "offline"}

    def usage(self, person, team, **query):
        text = "&".join(f"{name.rstrip('_')}={value}" for name, value in query.items())
        reply = person.ask("GET", f"/teams/{team}/usage?{text}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def lines(self, person, team, **query):
        """{key: (jobs, failures, tokens, credits)}, those without jobs left out"""
        return {line["key"]: (line["jobs"], line["failures"], line["tokens"], line["credits"])
                for line in self.usage(person, team, **query)["lines"] if line["jobs"]}


class UsageTest(DashboardCase):
    def test_it_is_the_same_before_and_after_it_is_counted(self):
        owner, member = Person(), Person()
        team, other = owner.new_team(), owner.new_team()
        member.accept(owner.invite(team, member))
        put_jobs(team, owner, 3, ago=2, most=50)                                            # 1 credit each
        put_jobs(team, member, 2, ago=0, kind="rename-layers", plugin="colour-names", ms=1000, tokens=250, most=20)  # 20: the most
        put_jobs(team, member, 1, ago=0, kind="rename-layers", plugin="colour-names", status="failed", most=20)
        put_jobs(other, owner, 5)
        for _ in range(2):
            self.assertEqual(self.lines(owner, team), {day(2): (3, 0, 30, 3), day(): (3, 1, 510, 40)})
            self.assertEqual(self.lines(owner, team, by="kind"), {"notes.digest": (3, 0, 30, 3), "rename-layers": (3, 1, 510, 40)})
            self.assertEqual(self.lines(member, team, by="plugin"), {"": (3, 0, 30, 3), "colour-names": (3, 1, 510, 40)})
            self.assertEqual(self.lines(owner, team, by="user"), {owner.id: (3, 0, 30, 3), member.id: (3, 1, 510, 40)})
            self.assertEqual(self.lines(owner, team, to=day(1)), {day(2): (3, 0, 30, 3)})
            took = {line["key"]: (line["p50Ms"], line["p95Ms"]) for line in self.usage(owner, team, by="kind")["lines"]}
            for kind, ms in (("notes.digest", 100), ("rename-layers", 1000)):
                for found in took[kind]:
                    self.assertAlmostEqual(found, ms, delta=ms * 0.016)
            counted()
        names = {line["key"]: line["name"] for line in self.usage(owner, team, by="user")["lines"]}
        self.assertEqual(names, {owner.id: owner.email, member.id: member.email})
        self.assertEqual(owner.ask("DELETE", f"/teams/{team}/members/{member.id}").status, 204)
        self.assertEqual(self.lines(owner, team, by="user")[""], (3, 1, 510, 40))

    def test_each_day_is_there_in_order(self):
        owner = Person()
        usage = self.usage(owner, owner.new_team())
        self.assertEqual([line["key"] for line in usage["lines"]], [day(ago) for ago in range(29, -1, -1)])
        self.assertEqual((usage["from"], usage["to"], usage["by"]), (day(29), day(), "day"))
        self.assertEqual({line["jobs"] for line in usage["lines"]}, {0})

    def test_what_is_no_time_is_refused_by_name(self):
        owner = Person()
        team = owner.new_team()
        for query, field in (("from=yesterday1", "from"), ("from=2026-02-30", "from"), ("from=2026-11-30&to=2026-11-29", "from"),
                             ("from=2024-01-01&to=2026-01-01", "from"), ("to=2026-1-111", "to"), ("by=team", "by")):
            reply = owner.ask("GET", f"/teams/{team}/usage?{query}")
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (400, [field]), reply)

    def test_a_table_for_spreadsheets_holds_no_formula(self):
        owner = Person(name='=HYPERLINK("http://evil"), "x"')
        team = owner.new_team()
        put_jobs(team, owner, 2)
        reply = owner.ask("GET", f"/teams/{team}/usage.csv?by=user")
        self.assertEqual(reply.status, 200, reply)
        self.assertIn(f"usage-{day(29)}-{day()}-by-user.csv", reply.headers["Content-Disposition"])
        rows = list(csv.reader(io.StringIO(reply.body.decode())))
        self.assertEqual(rows[0][:3], ["user", "name", "jobs"])
        self.assertEqual(rows[1][:3], [owner.id, '\'=HYPERLINK("http://evil"), "x"', "2"])


class PluginsJobsTest(DashboardCase):
    def test_what_a_plugin_asked_for_is_its_teams_and_its_own(self):
        owner = Person()
        team = owner.new_team()
        account = owner.id
        tokens = {}
        for slug in ("one", "other"):
            tokens[slug] = "pfp_" + slug.rjust(43, "a")
            live.fleet.sql(f"insert into plugin_tokens values (sha256('{tokens[slug]}'::bytea), '{account}', '{team}', '{slug}',"
                           " '{rename,usage:read}', now() + interval '10 minutes')")
        plugin = {slug: {"Authorization": f"Bearer {token}"} for slug, token in tokens.items()}
        done = live.rename(frame(layer("1:1")), headers=plugin["one"])
        queued = live.rename(frame(layer("1:1")), headers={**plugin["one"], "Prefer": "respond-async"})
        self.assertEqual((done.status, queued.status), (200, 202), (done, queued))
        job = f"/api/jobs/{queued.json['jobId']}"
        wait_for(lambda: live.get(job, headers=plugin["one"]).json["status"] == "completed", "the job did not end", 60)
        self.assertEqual(live.get(job, headers=owner.headers).status, 200)
        self.assertIn("its own jobs", live.get(job, headers=plugin["other"]).json["message"])
        wait_for(lambda: self.lines(owner, team, by="plugin").get("one", (0,))[0] == 2, "the team's usage lacks a job", 60)
        read = live.get(f"/api/v1/teams/{team}/usage?by=plugin", headers=plugin["one"])
        self.assertEqual([line["key"] for line in read.json["lines"]], ["one"])


if __name__ == "__main__":
    unittest.main()
