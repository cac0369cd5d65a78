"""Publishing plugins as their teams meet it: uploads through nginx, the job that judges them, what nginx serves of them, and what a
hostile bundle gets."""

import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bundles import PAGE, SCRIPT, files_of, tar_entry, tar_of, zip_of
from jobs import JobsLive, Stream
from live import PATIENCE, at_once
from market import Market
from people import SIGNED_IN, people_of
from processes import processes_under
from servers import ROOT, wait_for

live = JobsLive(__file__)
tearDownModule = live.stop
Person = people_of(live)
market = Market(live)

SECRET_KEY = b"const key = 'sk-ant-" + b"x1" * 20 + b"';"


class PublishCase(live.Case):
    settings = SIGNED_IN
    count = 0

    def new_package(self, person=None, team=None):
        """A person, their team, and the slug of a plugin that it owns."""
        PublishCase.count += 1
        person = person or Person()
        team = team or person.new_team()
        slug = f"plugin-{os.getpid()}-{PublishCase.count}"
        reply = person.ask("POST", "/plugins", {"teamId": team, "slug": slug, "name": "A plugin", "summary": "It says hello",
                                                "category": "design"})
        self.assertEqual(reply.status, 201, reply)
        return person, team, slug

    def publish(self, person, slug, bundle, **headers):
        return live.ask("POST", f"/api/v1/plugins/{slug}/versions", bundle,
                        headers={**person.headers, "Content-Type": "application/octet-stream", **headers})

    def published(self, version="1.0.0", **members):
        person, _, slug = self.new_package()
        reply = self.publish(person, slug, zip_of(files_of(slug, version, **members)))
        self.assertEqual(reply.status, 200, reply)
        return person, slug

    def versions(self, slug):
        return [version["version"] for version in live.get(f"/api/v1/marketplace/{slug}").json["versions"]]

    @property
    def folder(self):
        return Path(live.fleet.folder, "files/marketplace").resolve()

    def left(self):
        """What is there of uploads and of jobs under way."""
        return [*self.folder.glob("tmp/incoming/*"), *self.folder.glob("tmp/unpacked/*")]


class PublishTest(PublishCase):
    def test_a_bundle_is_published_and_nginx_serves_it(self):
        for pack in (zip_of, tar_of, lambda files: tar_of(files, mode="w:")):
            person, _, slug = self.new_package()
            reply = self.publish(person, slug, pack(files_of(slug, icon="icon.svg") | {"icon.svg": b"<svg/>"}))
            self.assertEqual(reply.status, 200, reply)
            self.assertEqual(reply.json["entryUrl"], f"/plugins/{slug}/1.0.0/index.html")
            self.assertEqual(reply.json["files"], 5)
            page = live.get(f"/plugins/{slug}/1.0.0/index.html")
            self.assertEqual((page.status, page.body), (200, PAGE))
            shown = live.get(f"/api/v1/marketplace/{slug}").json
            self.assertIn("<em>says</em>", shown["readmeHtml"])
            self.assertEqual(shown["iconUrl"], f"/plugins/{slug}/1.0.0/icon.svg")
            self.assertEqual(shown["versions"][0]["digest"], reply.json["digest"])
            wait_for(lambda: not self.left(), "an upload was left", PATIENCE)

    def test_the_job_tells_its_progress(self):
        person, _, slug = self.new_package()
        reply = self.publish(person, slug, zip_of(files_of(slug)), Prefer="respond-async")
        self.assertEqual(reply.status, 202, reply)
        events = list(Stream(live, reply.json["jobId"], headers=person.headers))
        self.assertEqual(events[-1].name, "completed")
        self.assertEqual(events[-1].data["result"]["version"], "1.0.0")

    def test_files_come_compressed_and_are_kept_for_a_year(self):
        _, slug = self.published()
        for coding in ("br", "gzip", None):
            reply = live.get(f"/plugins/{slug}/1.0.0/app.js", headers={"Accept-Encoding": coding} if coding else {})
            self.assertEqual(reply.headers["Content-Encoding"], coding)
            self.assertEqual(reply.headers["Cache-Control"], "public, max-age=31536000, immutable")
            if coding == "gzip":
                self.assertEqual(gzip.decompress(reply.body), SCRIPT)
        latest = live.get(f"/plugins/{slug}/latest/plugin.json")
        self.assertEqual(latest.json["version"], "1.0.0")
        self.assertEqual(latest.headers["Cache-Control"], "public, max-age=60")

    def test_a_document_runs_nothing_unless_it_is_framed(self):
        _, slug = self.published()
        where = f"/plugins/{slug}/1.0.0/index.html"
        framed = live.get(where, headers={"Sec-Fetch-Dest": "iframe"})
        policy = framed.headers["Content-Security-Policy"]
        self.assertTrue(policy.startswith("sandbox allow-scripts; default-src 'none';"), policy)
        self.assertNotIn("http", policy)
        self.assertEqual(framed.headers["X-Frame-Options"], "SAMEORIGIN")
        for headers in ({}, {"Sec-Fetch-Dest": "document"}, {"Sec-Fetch-Dest": "embed"}):
            opened = live.get(where, headers=headers)
            self.assertTrue(opened.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';"))
            self.assertIn("Sec-Fetch-Dest", ", ".join(opened.headers.get_all("Vary")))

    def test_a_version_never_changes(self):
        person, slug = self.published()
        again = self.publish(person, slug, zip_of(files_of(slug)))
        other = self.publish(person, slug, zip_of(files_of(slug) | {"more.txt": b"other bytes"}))
        self.assertEqual((again.status, other.status), (200, 409), (again, other))
        self.assertEqual(live.get(f"/plugins/{slug}/1.0.0/more.txt").status, 404)

    def test_of_two_that_publish_one_version_at_once_one_wins(self):
        person, _, slug = self.new_package()
        bundles = [zip_of(files_of(slug) | {"which.txt": str(n).encode()}) for n in range(4)]
        replies = at_once(4, lambda n: self.publish(person, slug, bundles[n]))
        self.assertEqual(sorted(reply.status for reply in replies), [200, 409, 409, 409], replies)
        won = next(n for n, reply in enumerate(replies) if reply.status == 200)
        self.assertEqual(live.get(f"/plugins/{slug}/1.0.0/which.txt").body, str(won).encode())
        self.assertEqual(self.versions(slug), ["1.0.0"])

    def test_versions_are_in_the_order_of_semver_and_latest_is_a_release(self):
        person, slug = self.published("1.0.0-beta.2")
        self.assertEqual(live.get(f"/plugins/{slug}/latest/plugin.json").json["version"], "1.0.0-beta.2")
        for version in ("1.0.0-beta.11", "0.9.0", "1.0.0-alpha", "1.10.0", "1.9.0", "2.0.0-rc.1"):
            reply = self.publish(person, slug, zip_of(files_of(slug, version)))
            self.assertEqual(reply.status, 200, reply)
        wanted = ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0-beta.11", "1.0.0-beta.2", "1.0.0-alpha", "0.9.0"]
        self.assertEqual(self.versions(slug), wanted)
        self.assertEqual(live.get(f"/plugins/{slug}/latest/plugin.json").json["version"], "1.10.0")

    def test_a_yanked_version_is_served_and_is_not_the_latest(self):
        person, slug = self.published()
        self.assertEqual(self.publish(person, slug, zip_of(files_of(slug, "1.1.0"))).status, 200)
        self.assertEqual(person.ask("DELETE", f"/plugins/{slug}/versions/1.1.0").status, 204)
        wait_for(lambda: live.get(f"/plugins/{slug}/latest/plugin.json").json["version"] == "1.0.0", "latest did not move", PATIENCE)
        self.assertEqual(live.get(f"/plugins/{slug}/1.1.0/plugin.json").status, 200)
        self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").json["latestVersion"], "1.0.0")
        self.assertEqual(person.ask("DELETE", f"/plugins/{slug}/versions/9.9.9").status, 404)

    def test_only_its_team_publishes(self):
        person, team, slug = self.new_package()
        viewer = Person()
        viewer.accept(person.invite(team, viewer, "viewer"))
        bundle = zip_of(files_of(slug))
        self.assertEqual(self.publish(Person(), slug, bundle).status, 404)
        self.assertEqual(self.publish(viewer, slug, bundle).status, 403)
        self.assertEqual(self.publish(person, "no-such-plugin", bundle).status, 404)
        self.assertEqual(live.ask("POST", f"/api/v1/plugins/{slug}/versions", bundle).status, 401)
        self.assertEqual(self.left(), [])

    def test_an_upload_that_breaks_off_leaves_nothing(self):
        person, _, slug = self.new_package()
        connection = http.client.HTTPConnection("127.0.0.1", live.fleet.port, timeout=PATIENCE)
        connection.putrequest("POST", f"/api/v1/plugins/{slug}/versions")
        for name, value in {**person.headers, "Content-Length": "1000000"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(b"x" * 300_000)
        wait_for(lambda: list(self.folder.glob("tmp/incoming/*")), "nothing came", PATIENCE)
        connection.close()
        wait_for(lambda: not self.left(), "what broke off was left", PATIENCE)

    def test_a_runner_that_is_killed_at_any_step_loses_nothing(self):
        person, _, slug = self.new_package()
        files = files_of(slug) | {f"data/{n}.js": os.urandom(60_000).hex().encode() for n in range(40)}
        reply = self.publish(person, slug, zip_of(files), Prefer="respond-async")
        job = reply.json["jobId"]
        for seen in ("tmp/unpacked/*/data", "served/*/*/data"):
            deadline = time.monotonic() + 2  # a step may be over before it is seen
            while time.monotonic() < deadline and not list(self.folder.glob(seen)):
                pass
            for process in processes_under([live.fleet.supervisord]):
                if process.program == "runner":
                    os.kill(process.pid, signal.SIGKILL)
        done = wait_for(lambda: self.ended(person, job), "the job did not end", PATIENCE)
        self.assertEqual(done["status"], "completed", done)
        self.assertEqual(live.get(f"/plugins/{slug}/1.0.0/data/39.js").body, files["data/39.js"])
        self.assertEqual(self.versions(slug), ["1.0.0"])

    def ended(self, person, job):
        shown = live.get(f"/api/jobs/{job}", headers=person.headers).json
        return shown if shown["status"] in ("completed", "failed") else None


    def test_what_an_operator_blocks_is_gone_and_can_come_back(self):
        person, slug = self.published()
        page = f"/plugins/{slug}/1.0.0/index.html"
        for what in ((), ("1.0.0",)):
            self.assertEqual(market.operator("plugins", "block", slug, *what, "it steals")[1], 0)
            wait_for(lambda: live.get(page).status == 404, "it is served", PATIENCE)
            wait_for(lambda: live.get(f"/plugins/{slug}/latest/plugin.json").status == 404, "latest is served", PATIENCE)
            self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").status, 404)
            if not what:
                refused = self.publish(person, slug, zip_of(files_of(slug, "1.0.1")))
                self.assertEqual(refused.status, 403, refused)
            self.assertEqual(market.operator("plugins", "unblock", slug, *what)[1], 0)
            wait_for(lambda: live.get(page).status == 200, "it is not served again", PATIENCE)
            self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").status, 200)


class ScriptTest(PublishCase):
    """scripts/publish, which a publisher runs."""

    def script(self, *words, token=None):
        environment = {**live.fleet.environment, "PLUGFLEET_TOKEN": self.token if token is None else token}
        done = subprocess.run([ROOT / "scripts/publish", *map(str, words)], env=environment, cwd="/", timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip(), done.returncode

    def setUp(self):
        super().setUp()
        self.person, self.team = Person(), None
        self.team = self.person.new_team()
        made = self.person.ask("POST", "/user/tokens", {"name": "publish", "scopes": ["read", "write"]})
        self.token = made.json["token"]
        folder = tempfile.TemporaryDirectory(prefix="plugfleet-test-")
        self.addCleanup(folder.cleanup)
        self.source = Path(folder.name)
        PublishCase.count += 1
        self.slug = f"script-{os.getpid()}-{PublishCase.count}"
        self.write(files_of(self.slug, name="Scripted", summary="By a script", category="tools"))

    def write(self, files):
        for name, content in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(content)

    def test_a_folder_becomes_a_plugin_and_again_the_same_version(self):
        self.write({".env": b"SECRET=1", "sub/.git/config": b"x", "sub/a.txt": b"a"})
        for _ in range(2):
            said, status = self.script(self.source)
            self.assertEqual(status, 0, said)
            self.assertRegex(said, rf"^{self.slug} 1\.0\.0 is published: 5 files, \d+ bytes\nhttps://localhost:\d+/plugins/{self.slug}/1\.0\.0/index.html$")
        shown = live.get(f"/api/v1/marketplace/{self.slug}").json
        self.assertEqual((shown["name"], shown["summary"], shown["category"]), ("Scripted", "By a script", "tools"))
        self.assertEqual(live.get(f"/plugins/{self.slug}/1.0.0/sub/a.txt").body, b"a")

    def test_what_is_refused_is_said_in_one_sentence(self):
        self.person.new_team("Another")
        said, status = self.script(self.source)
        self.assertEqual((status, said), (1, f"{self.slug} is new, and you are not in one team alone; say whose it is: --team TEAM_ID"))
        self.write({"link.mjs": b"x"})
        said, status = self.script(self.source, "--team", self.team)
        self.assertEqual((status, said), (1, f'{self.slug} 1.0.0 is not published: the bundle\'s entry "link.mjs" would be no script in a browser: name it .js'))
        said, status = self.script(self.source, token="pfu_" + "x" * 43)
        self.assertEqual(status, 1, said)
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertEqual(self.script()[1], 2)
        self.assertEqual(self.script("/nonexistent"), ("There is no folder /nonexistent.", 1))
        self.assertIn("PLUGFLEET_TOKEN is not set", self.script(self.source, token="")[0])


class HostileBundleTest(PublishCase):
    def refuse(self, bundle_of, *words):
        person, _, slug = self.new_package()
        reply = self.publish(person, slug, bundle_of(slug))
        self.assertEqual(reply.status, 422, reply)
        for word in words:
            self.assertIn(word, reply.json["message"])
        self.assertEqual(live.get(f"/api/v1/marketplace/{slug}").status, 404)
        self.assertEqual(list(self.folder.glob(f"served/{slug}/*")), [])
        return reply

    def test_a_name_that_leads_elsewhere(self):
        outside = self.folder.parent / "out.js"
        for name in ("../out.js", "/out.js", "a/../../out.js", "./x.js", "a//b.js"):
            self.refuse(lambda slug, name=name: tar_of(files_of(slug), [(tar_entry(name), b"x")]), name)
            self.refuse(lambda slug, name=name: zip_of(files_of(slug), [(name.encode(), b"x", 0o100644)]), name)
        self.assertFalse(outside.exists())

    def test_names_that_are_none_everywhere(self):
        for name in (b"a\\..\\out.js", b"a\0b.js", b"a:b.js", b"a\nb.js", b".env", b"a/.git/config", b"x.js.gz", b"x.mjs", b"a ", b"\xff.js"):
            self.refuse(lambda slug, name=name: zip_of(files_of(slug), [(name, b"x", 0o100644)]),
                        "".join(chr(c) if 32 <= c < 127 else "?" for c in name))
        self.refuse(lambda slug: tar_of(files_of(slug), [(tar_entry("a\\b.js"), b"x")]), "a\\b.js")

    def test_what_is_no_file(self):
        kinds = {"symlink": (tarfile.SYMTYPE, "/etc/passwd"), "hardlink": (tarfile.LNKTYPE, "index.html"),
                 "fifo": (tarfile.FIFOTYPE, ""), "device": (tarfile.CHRTYPE, "")}
        for name, (kind, link) in kinds.items():
            self.refuse(lambda slug, name=name, kind=kind, link=link: tar_of(files_of(slug), [tar_entry(name, kind, link)]), name)
        self.refuse(lambda slug: zip_of(files_of(slug), [(b"link.js", b"/etc/passwd", 0o120777)]), "link.js")

    def test_a_name_that_is_there_twice(self):
        for name in ("app.js", "APP.js", "index.html/x", "App.js/x"):
            self.refuse(lambda slug, name=name: tar_of(files_of(slug), [(tar_entry(name), b"x")]), name)

    def test_a_bundle_that_is_too_large_when_unpacked(self):
        bomb = bytes(33 << 20)
        self.refuse(lambda slug: zip_of(files_of(slug) | {"bomb.txt": bomb}), "bomb.txt", "32 MB")
        parts = {f"part{n}.png": bytes(31 << 20) for n in range(7)}
        self.refuse(lambda slug: zip_of(files_of(slug) | parts), "part6.png", "200 MB")

    def test_a_hundred_thousand_empty_entries(self):
        self.refuse(lambda slug: zip_of(files_of(slug) | {f"e/{n}": b"" for n in range(100_000)}), "5000")

    def test_sizes_that_lie(self):
        def lie(slug):
            whole = bytearray(zip_of(files_of(slug) | {"zz.js": b"y" * 5000}))
            for at in (whole.index(b"PK\3\4", whole.index(b"zz.js") - 40) + 22, whole.rindex(b"PK\1\2") + 24):
                whole[at:at + 4] = (10).to_bytes(4, "little")
            return bytes(whole)

        self.refuse(lie, "zz.js")
        self.refuse(lambda slug: zip_of(files_of(slug))[:-300])
        self.refuse(lambda slug: tar_of(files_of(slug))[:200])
        self.refuse(lambda slug: b"this is no archive at all")

    def test_secrets_are_refused_and_not_repeated(self):
        reply = self.refuse(lambda slug: zip_of(files_of(slug) | {"src/config.js": SECRET_KEY}), "src/config.js", "Anthropic")
        self.assertNotIn(b"x1x1", reply.body)
        self.refuse(lambda slug: zip_of(files_of(slug) | {"key.txt": b"-----BEGIN RSA PRIVATE KEY-----\nMII"}), "key.txt")

    def test_a_plugin_json_that_is_wrong(self):
        for change, word in (({"slug": "another"}, "slug"), ({"version": "1.0"}, "version"), ({"version": "latest"}, "version"),
                             ({"entry": "../index.html"}, "entry"), ({"entry": "app.js"}, "entry"), ({"icon": "no.svg"}, "icon"),
                             ({"permissions": ["everything"]}, "permissions"), ({"minShell": "new"}, "minShell"),
                             ({"colour": "red"}, "colour"), ({"version": None}, "version"), ({"budgetKb": 1}, "budgetKb")):
            def bundle(slug, change=change):
                files = files_of(slug)
                files["plugin.json"] = json.dumps(json.loads(files["plugin.json"]) | change).encode()
                files["large.txt"] = os.urandom(4000)
                return zip_of(files)

            self.refuse(bundle, "plugin.json", word)
        self.refuse(lambda slug: zip_of({"index.html": PAGE}), "plugin.json")
        self.refuse(lambda slug: zip_of(files_of(slug) | {"plugin.json": b"{"}), "plugin.json")

    def test_a_readme_is_made_safe(self):
        person, _, slug = self.new_package()
        readme = b"# Hi\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n|a|\n|-|\n|b|\n"
        self.assertEqual(self.publish(person, slug, zip_of(files_of(slug) | {"README.md": readme})).status, 200)
        html = live.get(f"/api/v1/marketplace/{slug}").json["readmeHtml"]
        for word in ("<script", "javascript:", "onerror"):
            self.assertNotIn(word, html)
        self.assertIn("<table>", html)

    def test_too_large_an_upload_is_refused_in_words(self):
        person, _, slug = self.new_package()
        reply = self.publish(person, slug, bytes((50 << 20) + 1))
        self.assertEqual((reply.status, reply.json["message"]), (413, "The body is over 50 MB."))


if __name__ == "__main__":
    unittest.main()
