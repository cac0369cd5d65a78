"""A marketplace of a size for benchmarks: 10,000 users in 500 teams of 20, 300 plugins, each team with ten of them; and what its users
ask of it."""

import random
import uuid

import bodies

USERS, TEAMS, PLUGINS, INSTALLED = 10_000, 500, 300, 10
ISSUER, AUDIENCE = "plugfleet-bench", "bench"
CATEGORIES = ("design", "finance", "text", "tools", "charts", "photos")


def make_catalog(fleet):
    categories = "'{" + ",".join(CATEGORIES) + "}'::text[]"
    for statement in (
        f"insert into users (issuer, subject, email, name) select '{ISSUER}', 'user-' || n, 'user-' || n || '@example.com', 'User ' || n"
        f" from generate_series(1, {USERS}) n",
        f"insert into teams (name) select 'Team ' || n from generate_series(1, {TEAMS}) n",
        "insert into team_members (team_id, user_id, role) select t.id, u.id, case when u.n <= t.n * 20 - 19 then 'owner' else 'member' end"
        " from (select id, row_number() over (order by id) as n from teams) t"
        f" join (select id, row_number() over (order by id) as n from users where issuer = '{ISSUER}') u on (u.n - 1) / 20 = t.n - 1",
        "insert into plugin_packages (slug, team_id, name, summary, category, published_at)"
        " select 'plugin-' || n, (select id from teams order by id limit 1), 'Plugin ' || n, 'It does what number ' || n || ' says it does',"
        f" ({categories})[1 + n % {len(CATEGORIES)}], now() - n * interval '1 hour' from generate_series(1, {PLUGINS}) n",
        "insert into plugin_versions (package_id, version, major, minor, patch, digest, entry, packed_bytes, unpacked_bytes, files)"
        " select id, '1.' || minor || '.0', 1, minor, 0, encode(sha256((slug || minor)::bytea), 'hex'), 'index.html', 100000, 300000, 20"
        " from plugin_packages, generate_series(0, 2) minor",
        "insert into plugin_deployments (version_id) select id from plugin_versions",
        "select count(plugin_set_latest(id)) from plugin_packages",
        "insert into team_plugin_installs (team_id, package_id) select t.id, p.id from teams t, lateral"
        f" (select id from plugin_packages order by md5(t.id::text || slug) limit {INSTALLED}) p",
        "update plugin_packages p set installs = (select count(*) from team_plugin_installs i where i.package_id = p.id)",
        "analyze",
    ):
        fleet.sql(statement)


def requests_of(fleet, secret, count, users):
    """"PATH TOKEN" of so many requests, by that many of the users: of ten, four want what they may open, three a page of the
    marketplace, two a plugin's page, one who they are."""
    chance = random.Random(14)
    rows = fleet.sql("select u.subject, m.team_id from users u join team_members m on m.user_id = u.id order by md5(u.subject)"
                     f" limit {users}")
    tokens = {subject: bodies.bearer(secret, {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "jti": str(uuid.uuid4()),
                                              "email": f"{subject}@example.com"}) for subject, _ in rows}
    lines = []
    for _ in range(count):
        subject, team = chance.choice(rows)
        path = chance.choices(
            (f"/api/v1/teams/{team}/my-plugins",
             chance.choice(("/api/v1/marketplace", "/api/v1/plugins", f"/api/v1/marketplace?category={chance.choice(CATEGORIES)}",
                            "/api/v1/marketplace?sort=new")),
             f"/api/v1/marketplace/plugin-{1 + int(PLUGINS * chance.random() ** 3)}", "/api/v1/user/profile"), (4, 3, 2, 1))[0]
        lines.append(f"{path} {tokens[subject]}")
    return lines
