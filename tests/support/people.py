"""Users and their teams for live tests: whoever a token of the issuer's names.

    Person = people_of(live)             # the class's settings have SIGNED_IN
    team = Person().new_team()
"""

import subprocess
import uuid

from bodies import bearer
from servers import ROOT

SECRET = "a live test's secret of more than 32 bytes"
SIGNED_IN = {"PLUGFLEET_JWT_ALG": "HS256", "PLUGFLEET_JWT_SECRET": SECRET, "PLUGFLEET_JWT_ISSUER": "issuer",
             "PLUGFLEET_JWT_AUDIENCE": "audience", "PLUGFLEET_REQUESTS_PER_MINUTE": "100000"}


class SomePerson:
    """Somebody with a token of the issuer's."""

    live = None

    def __init__(self, **claims):
        self.subject = str(uuid.uuid4())
        self.email = f"{self.subject[:8]}@example.com"
        token = bearer(SECRET, {"sub": self.subject, "iss": "issuer", "aud": "audience", "email": self.email, **claims})
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method, path, body=None, **headers):
        headers = {**self.headers, **headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.live.ask(method, f"/api/v1{path}", body, headers=headers)

    def profile(self):
        return self.ask("GET", "/user/profile").json

    @property
    def id(self):
        return self.profile()["id"]

    def new_team(self, name="A team"):
        reply = self.ask("POST", "/teams", {"name": name})
        assert reply.status == 201, reply
        return reply.json["id"]

    def invite(self, team, other, role="member"):
        """The link's token."""
        reply = self.ask("POST", f"/teams/{team}/invitations", {"email": other.email.upper(), "role": role})
        assert reply.status == 201, reply
        url = reply.json["url"]
        assert url.startswith(f"https://localhost:{self.live.fleet.https_port}/invitations/"), url
        return url.rpartition("/")[2]

    def accept(self, token):
        return self.ask("POST", f"/invitations/{token}/accept")

    def role_of(self, team, other):
        members = self.ask("GET", f"/teams/{team}/members").json["members"]
        return next((member["role"] for member in members if member["id"] == other.id), None)


def credits_of(live, *words):
    """What scripts/credits prints, and its exit status."""
    done = subprocess.run([ROOT / "scripts/credits", *map(str, words)], env=live.fleet.environment, cwd="/", timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip(), done.returncode


def people_of(live):
    return type("Person", (SomePerson,), {"live": live})
