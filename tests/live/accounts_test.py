"""Users, teams, members and invitations, as their clients meet them: nginx in front, two workers, real PostgreSQL and Redis."""

import sys
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live, at_once
from people import SIGNED_IN, people_of

live = Live(__file__)
tearDownModule = live.stop

ROLES = ("viewer", "member", "admin", "owner")
Person = people_of(live)


class AccountsCase(live.Case):
    settings = {**SIGNED_IN, "PLUGFLEET_AI_PROVIDER": "offline"}

    def team_of(self, *roles):
        """A team's id, its first owner, and a member of each role."""
        owner = Person()
        team = owner.new_team()
        members = []
        for role in roles:
            member = Person()
            token = owner.invite(team, member, "admin" if role == "owner" else role)
            self.assertEqual(member.accept(token).status, 200)
            if role == "owner":
                self.assertEqual(owner.ask("PATCH", f"/teams/{team}/members/{member.id}", {"role": "owner"}).status, 200)
            members.append(member)
        return team, owner, *members

    def refused(self, reply, status):
        self.assertEqual(reply.status, status, reply)
        return reply.json["message"]


class ProfileTest(AccountsCase):
    def test_the_first_request_makes_the_account_and_each_later_one_finds_it(self):
        person = Person()
        replies = at_once(8, lambda _: person.ask("GET", "/user/profile"))
        self.assertEqual({reply.status for reply in replies}, {200})
        self.assertEqual(len({reply.json["id"] for reply in replies}), 1)
        profile = person.profile()
        self.assertEqual((profile["email"], profile["provider"], profile["teams"]), (person.email, "issuer", []))

    def test_it_is_kept_for_its_user_alone_and_made_anew_when_it_changes(self):
        person, other = Person(), Person()
        self.assertEqual(person.ask("GET", "/user/profile").headers["X-Cache"], "miss")
        again = person.ask("GET", "/user/profile")
        self.assertEqual(again.headers["X-Cache"], "hit")
        self.assertEqual(other.profile()["email"], other.email)
        changed = person.ask("PATCH", "/user/profile", {"name": "Ada", "avatarUrl": "https://example.com/a.png"})
        self.assertEqual((changed.status, changed.json["name"]), (200, "Ada"))
        self.assertEqual(person.profile()["avatarUrl"], "https://example.com/a.png")
        team = person.new_team("Ours")
        self.assertEqual(person.profile()["teams"], [{"id": team, "name": "Ours", "role": "owner"}])

    def test_what_is_no_name_or_picture_is_refused_by_field(self):
        for body, field in (({"name": ""}, "name"), ({"name": "a" * 101}, "name"), ({"avatarUrl": "javascript:https://"}, "avatarUrl"),
                            ({"role": "owner"}, "role")):
            reply = Person().ask("PATCH", "/user/profile", body)
            self.assertEqual((reply.status, [wrong["field"] for wrong in reply.json["details"]]), (422, [field]), reply)

    def test_whoever_leaves_takes_what_is_theirs_alone(self):
        team, owner, member = self.team_of("member")
        alone = owner.new_team("Mine alone")
        self.assertIn("A team", self.refused(owner.ask("DELETE", "/user"), 409))
        self.assertEqual(owner.ask("PATCH", f"/teams/{team}/members/{member.id}", {"role": "owner"}).status, 200)
        was = owner.id
        left = owner.ask("DELETE", "/user")
        self.assertEqual((left.status, left.json["deleted"]), (200, True))
        self.assertEqual(live.fleet.sql(f"select id from teams where id in ('{team}', '{alone}')"), [[team]])
        self.assertEqual(live.fleet.sql(f"select id from users where id = '{was}'"), [])
        self.assertEqual([one["id"] for one in member.ask("GET", f"/teams/{team}/members").json["members"]], [member.id])
        self.assertNotEqual(owner.id, was)  # who comes again is somebody new


class TeamsTest(AccountsCase):
    def test_a_team_is_made_shown_renamed_and_deleted(self):
        team, owner, member = self.team_of("member")
        shown = member.ask("GET", f"/teams/{team}").json
        self.assertEqual((shown["name"], shown["role"], shown["members"]), ("A team", "member", 2))
        self.refused(member.ask("PATCH", f"/teams/{team}", {"name": "B"}), 403)
        self.assertEqual(owner.ask("PATCH", f"/teams/{team}", {"name": "B"}).json["name"], "B")
        self.assertEqual(member.profile()["teams"][0]["name"], "B")
        self.refused(member.ask("DELETE", f"/teams/{team}"), 403)
        self.assertEqual(owner.ask("DELETE", f"/teams/{team}").status, 204)
        self.refused(member.ask("GET", f"/teams/{team}"), 404)
        self.assertEqual(member.profile()["teams"], [])

    def test_teams_come_page_by_page_each_once(self):
        person = Person()
        made = {person.new_team(name) for name in ("c", "a", "b", "a", "")[:4]}
        seen, cursor = [], ""
        while cursor is not None:
            page = person.ask("GET", f"/teams?limit=3{cursor}").json
            seen += page["teams"]
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        self.assertEqual([team["name"] for team in seen], ["a", "a", "b", "c"])
        self.assertEqual({team["id"] for team in seen}, made)

    def test_a_suspended_team_is_read_and_not_changed(self):
        team, owner = self.team_of()
        live.fleet.sql(f"update teams set suspended_at = now() where id = '{team}'")
        self.assertTrue(owner.ask("GET", f"/teams/{team}").json["suspended"])
        self.assertIn("suspended", self.refused(owner.ask("PATCH", f"/teams/{team}", {"name": "B"}), 403))


class MembersTest(AccountsCase):
    def test_who_may_change_whom(self):
        """An admin sets roles below owner of members below owner; an owner all; others none."""
        for actor_role in ROLES:
            for was in ("viewer", "owner"):
                for role in ("admin", "owner"):
                    with self.subTest(actor=actor_role, was=was, role=role):
                        team, _, actor, subject = self.team_of(actor_role, was)
                        reply = actor.ask("PATCH", f"/teams/{team}/members/{subject.id}", {"role": role})
                        allowed = actor_role == "owner" or (actor_role == "admin" and "owner" not in (was, role))
                        self.assertEqual(reply.status, 200 if allowed else 403, reply)
                        self.assertEqual(actor.role_of(team, subject), role if allowed else was)

    def test_two_owners_who_demote_each_other_at_once_leave_one(self):
        for _ in range(10):
            team, one, other = self.team_of("owner")
            pairs = [(one, other.id), (other, one.id)]
            replies = at_once(2, lambda i: pairs[i][0].ask("PATCH", f"/teams/{team}/members/{pairs[i][1]}", {"role": "viewer"}))
            self.assertEqual(sorted(reply.status for reply in replies), [200, 403], replies)

    def test_two_owners_who_leave_at_once_leave_one(self):
        for _ in range(10):
            team, one, other = self.team_of("owner")
            ids = [one.id, other.id]
            replies = at_once(2, lambda i: (one, other)[i].ask("DELETE", f"/teams/{team}/members/{ids[i]}"))
            self.assertEqual(sorted(reply.status for reply in replies), [204, 409], replies)

    def test_the_last_owner_stays_one(self):
        team, owner, admin = self.team_of("admin")
        self.assertIn("at least one owner", self.refused(owner.ask("DELETE", f"/teams/{team}/members/{owner.id}"), 409))
        self.refused(owner.ask("PATCH", f"/teams/{team}/members/{owner.id}", {"role": "admin"}), 409)
        self.refused(admin.ask("DELETE", f"/teams/{team}/members/{owner.id}"), 403)
        self.assertEqual(owner.role_of(team, owner), "owner")

    def test_who_is_removed_is_out_with_the_next_request(self):
        team, owner, member = self.team_of("member")
        self.assertEqual(len(member.profile()["teams"]), 1)
        self.assertEqual(owner.ask("DELETE", f"/teams/{team}/members/{member.id}").status, 204)
        self.refused(member.ask("GET", f"/teams/{team}"), 404)
        self.assertEqual(member.profile()["teams"], [])
        self.refused(owner.ask("DELETE", f"/teams/{team}/members/{member.id}"), 404)

    def test_the_audit_log_tells_who_did_what(self):
        team, owner, member = self.team_of("viewer")
        owner.ask("PATCH", f"/teams/{team}/members/{member.id}", {"role": "admin"})
        lines = live.fleet.sql(f"select action, user_id, details ->> 'role' from audit_log where team_id = '{team}' order by id")
        self.assertEqual([line[0] for line in lines], ["team.create", "invitation.create", "invitation.accept", "member.role"])
        self.assertEqual(lines[-1][1:], [owner.id, "admin"])


class InvitationsTest(AccountsCase):
    def test_a_link_lets_its_addressee_in_once(self):
        team, owner = self.team_of()
        guest = Person()
        token = owner.invite(team, guest, "viewer")
        self.assertEqual(guest.accept(token).json, {"teamId": team, "role": "viewer"})
        self.refused(guest.accept(token), 404)
        self.assertEqual(owner.role_of(team, guest), "viewer")

    def test_a_stolen_link_lets_nobody_in_and_is_still_good(self):
        team, owner = self.team_of()
        guest, thief, nameless = Person(), Person(), Person(email=None)
        token = owner.invite(team, guest)
        for other in (thief, nameless):
            self.refused(other.accept(token), 403)
            self.refused(other.ask("GET", f"/teams/{team}"), 404)
        self.assertEqual(guest.accept(token).status, 200)

    def test_two_who_accept_at_once_are_one_member(self):
        team, owner = self.team_of()
        guest = Person()
        token = owner.invite(team, guest)
        self.assertEqual(sorted(reply.status for reply in at_once(6, lambda _: guest.accept(token))), [200] + [404] * 5)

    def test_what_is_revoked_late_or_made_up_is_not_found(self):
        team, owner = self.team_of()
        guest = Person()
        token = owner.invite(team, guest)
        open_ = owner.ask("GET", f"/teams/{team}/invitations").json["invitations"]
        self.assertEqual([(one["email"], one["role"]) for one in open_], [(guest.email, "member")])
        self.assertEqual(owner.ask("DELETE", f"/teams/{team}/invitations/{open_[0]['id']}").status, 204)
        self.refused(guest.accept(token), 404)
        late = owner.invite(team, guest)
        live.fleet.sql(f"update team_invitations set expires_at = now() where team_id = '{team}'")
        for wrong in (late, "a" * 43, "%27", token[:-1]):
            self.refused(guest.accept(wrong), 404)
        self.assertEqual(owner.ask("GET", f"/teams/{team}/invitations").json["invitations"], [])

    def test_a_role_is_what_was_offered_and_never_owner(self):
        team, owner, admin, member = self.team_of("admin", "member")
        body = {"email": "a@example.com", "role": "owner"}
        self.refused(owner.ask("POST", f"/teams/{team}/invitations", body), 422)
        self.refused(member.ask("POST", f"/teams/{team}/invitations", {**body, "role": "viewer"}), 403)
        self.refused(member.ask("GET", f"/teams/{team}/invitations"), 403)
        guest = Person()
        token = admin.invite(team, guest, "viewer")
        self.assertEqual(guest.ask("POST", f"/invitations/{token}/accept?role=admin", {"role": "admin"}).json["role"], "viewer")
        self.assertEqual(owner.role_of(team, guest), "viewer")


class OtherTeamsTest(AccountsCase):
    def test_another_teams_id_is_never_answered_on_any_route(self):
        """All routes with a team's id in their path, as the fleet's own description lists them."""
        team, owner, member = self.team_of("member")
        stranger = Person()
        stranger.new_team()
        told = live.get("/openapi.json").json["paths"]
        asked = 0
        for path, methods in told.items():
            if not path.startswith("/api/v1/teams/{id}"):
                continue
            at = path.removeprefix("/api/v1").replace("{id}", team).replace("{userId}", member.id)
            at = at.replace("{invitationId}", str(uuid.uuid4()))
            for method, route in methods.items():
                body = None
                if "requestBody" in route:
                    body = route["requestBody"]["content"]["application/json"].get("example", {})
                reply = stranger.ask(method.upper(), at, body)
                self.assertIn(reply.status, (403, 404), (method, path, reply))
                asked += 1
        self.assertGreaterEqual(asked, 9)
        self.assertEqual(owner.role_of(team, member), "member")

    def test_nobody_is_asked_for_a_token_in_vain(self):
        for path in ("/user/profile", "/teams", f"/teams/{uuid.uuid4()}"):
            self.assertEqual(live.get(f"/api/v1{path}").status, 401)


if __name__ == "__main__":
    unittest.main()
