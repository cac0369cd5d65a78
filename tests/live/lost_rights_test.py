"""Event streams and jobs of those who lose the right to see them: members who were removed, sessions and tokens that were
revoked. nginx in front, two workers, real PostgreSQL and Redis."""

import secrets
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Stream

live = JobsLive(__file__)
tearDownModule = live.stop

LONG_MS = 600_000
WITHIN_S = 10


class LostRightsTest(live.Case):
    settings = {"PLUGFLEET_AI_PROVIDER": "offline"}

    def setUp(self):
        self.email = f"{secrets.token_hex(6)}@example.com"
        self.session = live.session(self.email)
        self.id = live.get("/api/v1/user/profile", headers=self.session).json["id"]

    def team_of(self, headers):
        reply = live.ask("POST", "/api/v1/teams", {"name": "A team"}, headers=headers)
        self.assertEqual(reply.status, 201, reply)
        return reply.json["id"]

    def started(self, team=None, plugin=None):
        job = live.add("sleep", ms=LONG_MS)
        known = {"owner": f"local|{self.email}", "team_id": team, "plugin": plugin}
        changes = ", ".join(f"{name} = '{value}'" for name, value in known.items() if value)
        live.fleet.sql(f"update live_jobs set {changes} where id = '{job}'")
        self.addCleanup(live.fleet.sql, f"update live_jobs set cancel_requested = true where id = '{job}'")
        return job

    def opened(self, job, headers):
        stream = Stream(live, job, headers=headers)
        self.addCleanup(stream.close)
        self.assertEqual(stream.status, 200)
        return stream

    def ends(self, stream, begun):
        for event in stream:
            self.assertIn(event.name, ("snapshot", "started", "progress"))
        self.assertLess(time.monotonic() - begun, WITHIN_S)

    def test_who_is_removed_from_a_team_sees_no_more_of_its_jobs(self):
        team = self.team_of(self.session)
        job, own = self.started(team), self.started()
        stream = self.opened(job, self.session)
        begun = time.monotonic()
        live.fleet.sql(f"delete from team_members where team_id = '{team}' and user_id = '{self.id}'")
        self.assertEqual(live.get(f"/api/jobs/{job}", headers=self.session).status, 404)
        self.assertEqual(live.ask("DELETE", f"/api/jobs/{job}", headers=self.session).status, 404)
        self.ends(stream, begun)
        with Stream(live, job, headers=self.session) as again:
            self.assertEqual(again.status, 404)
        self.assertEqual(live.get(f"/api/jobs/{own}", headers=self.session).status, 200)

    def test_a_stream_ends_with_the_session_or_token_that_opened_it(self):
        team = self.team_of(self.session)
        made = live.ask("POST", "/api/v1/user/tokens", {"name": "A", "scopes": ["read", "write"]}, headers=self.session).json
        plugins = "pfp_" + secrets.token_hex(22)[:43]
        live.fleet.sql(f"insert into plugin_tokens values (sha256('{plugins}'::bytea), '{self.id}', '{team}', 'tidy', '{{rename}}',"
                       f" now() + interval '10 minutes')")
        as_bearer = lambda token: {"Authorization": f"Bearer {token}"}
        job, plugins_job = self.started(), self.started(team, "tidy")
        streams = {"delete from sessions where user_id = '{id}'": self.opened(job, self.session),
                   f"delete from access_tokens where id = '{made['id']}'": self.opened(job, as_bearer(made["token"])),
                   "delete from plugin_tokens where user_id = '{id}'": self.opened(plugins_job, as_bearer(plugins))}
        for statement, stream in streams.items():
            with self.subTest(statement):
                begun = time.monotonic()
                live.fleet.sql(statement.format(id=self.id))
                self.ends(stream, begun)


if __name__ == "__main__":
    unittest.main()
