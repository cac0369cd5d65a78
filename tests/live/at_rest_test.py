"""Images, keys and tokens rest nowhere: not in a log, PostgreSQL, Redis, on a disk or in a core dump, whatever became
of their request. Every file of the fleet is searched for pieces of what was sent and of what was generated, those that
are deleted and still open too. The payload Redis, which may hold images for their time, has no file.

What stores text may compress it (pglz does, in tables and in the WAL): its literals come in runs of 8 bytes, so what is
looked for is every window of 8 bytes of a stretch of 15, one of which must be such a run.
"""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer, png
from fastcgi import Peer
from live import EMAIL, KEY, PATIENCE, Live, edit_frame, edit_layer, some_trace
from processes import processes_under
from servers import wait_for
from traffic import all_renamed, in_flight

live = Live(__file__)
tearDownModule = live.stop

SECRET = "a live test's secret of more than 32 bytes"
STRETCH, WINDOW = 15, 8
MIB = 2**20


class Image:
    """A PNG and what would give it away; of random pixels where its bytes are not given."""

    def __init__(self, side, data=None):
        self.bytes = data or png(side, side, os.urandom(side * side * 3))
        self.base64 = base64.b64encode(self.bytes).decode()
        self.pieces = []
        for whole in (self.bytes, self.base64.encode()):
            for at in (100, len(whole) // 3, len(whole) - 100):
                self.pieces += windows(whole[at : at + STRETCH])


def windows(stretch):
    found = [stretch[i : i + WINDOW] for i in range(len(stretch) - WINDOW + 1)]
    return [piece for piece in found if not set(piece) & {0, 10}]  # grep's patterns are lines


def files_holding(pieces, *folders):
    """The files below these folders that hold one of the pieces."""
    with tempfile.NamedTemporaryFile() as patterns:
        patterns.write(b"\n".join(pieces) + b"\n")
        patterns.flush()
        done = subprocess.run(
            ["grep", "-r", "-l", "-a", "-F", "-D", "skip", "-f", patterns.name, *folders],
            env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, timeout=120, check=False,
        )
    if done.returncode > 1 and "No such file" not in done.stderr:  # a file that went away meanwhile is fine
        raise RuntimeError(done.stderr)
    return sorted(done.stdout.splitlines())


def deleted_files(pids):
    """The files that these processes hold open and that no folder has any more."""
    held = []
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended meanwhile
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    status = link.stat()
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        held.append(link)
    return held


def filesystem(path):
    """The type of the filesystem that a folder is on."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above = [mount for mount in mounts if Path(path).is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2]


class AtRestTest(live.Case):
    settings = {
        "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_LOG_LEVEL": "debug",
        "PLUGFLEET_AI_ATTEMPTS": "2", "PLUGFLEET_BREAKER_FAILURES": "10000", "PLUGFLEET_JWT_ALG": "HS256",
        "PLUGFLEET_JWT_SECRET": SECRET, "PLUGFLEET_JWT_ISSUER": "test", "PLUGFLEET_JWT_AUDIENCE": "test",
    }

    def setUp(self):
        super().setUp()
        self.folders = [live.fleet.folder, (live.fleet.run / "pgdata").resolve(), live.fleet.run]
        self.token = bearer(SECRET, {"sub": some_trace(), "iss": "test", "aud": "test"})
        self.sent = []

    def body(self, side=40, layers=1):
        """A rename with images that are remembered."""
        images = [Image(side) for _ in range(layers)]
        self.sent += images
        return {
            "userEmail": EMAIL,
            "layers": [
                {"id": str(i), "imageBase64": image.base64, "currentName": f"Rectangle {i}", "type": "RECTANGLE"}
                for i, image in enumerate(images)
            ],
        }

    def rename(self, body):
        return live.rename(body, headers={"Authorization": f"Bearer {self.token}"})

    def edits(self, side=40, **members):
        """A request for edits whose frame's image is remembered."""
        image = Image(side)
        self.sent.append(image)
        return edit_frame(edit_layer("1:2", "TEXT", text="Hello"), edit_layer("1:3"), generateImages=True,
                          frameImageBase64=image.base64, **members)

    def edit(self, body, **headers):
        return live.edit(body, headers={"Authorization": f"Bearer {self.token}", **headers})

    def job(self, id_):
        return live.get(f"/api/jobs/{id_}", headers={"Authorization": f"Bearer {self.token}"}).json

    def ended(self, id_):
        return wait_for(lambda: (job := self.job(id_))["completedAt"] and job, f"job {id_} did not end", PATIENCE)

    def remember_generated(self, result, count):
        """Remembers the images of a result, which has so many."""
        instructions = [one for variant in result["variants"] for one in variant["instructions"]]
        images = {one["generatedImageBase64"] for one in instructions if "generatedImageBase64" in one}
        self.assertEqual(len(images), count)
        self.sent += [Image(0, base64.b64decode(image)) for image in images]

    def leave(self, body, sent, path="/api/rename-layers"):
        """Sends that part of the request, of 1, and hangs up; before the answer where it is all."""
        data = json.dumps(body).encode()
        fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        head = f"POST {path} HTTP/1.1\r\n{fields}\r\n"
        with socket.create_connection(("127.0.0.1", live.fleet.port)) as client:
            client.sendall(head.encode() + data[: int(len(data) * sent)])
            if sent == 1:
                wait_for(lambda: live.provider.stats()["inFlight"], "the provider was not asked", PATIENCE)

    def assert_nowhere(self):
        wait_for(lambda: in_flight(live.fleet) == 0, "requests stay in flight", PATIENCE)
        wait_for(lambda: not self.spooled(), "nginx keeps temporary files", PATIENCE)
        pieces = [piece for image in self.sent for piece in image.pieces]
        deleted = deleted_files(process.pid for process in processes_under([live.fleet.supervisord]))
        self.assertEqual(files_holding(pieces, *self.folders, *deleted), [])

    def spooled(self):
        """What nginx keeps in temporary files now: it unlinks them at once and holds them open."""
        held = []
        for process in processes_under([live.fleet.pid("nginx")]):
            for link in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    if os.readlink(link).startswith(f"{live.fleet.run}/nginx/"):
                        held.append(link)
        return held + [path for path in (live.fleet.run / "nginx").rglob("*") if path.is_file()]

    def test_the_search_finds_what_is_stored(self):
        image = Image(40)
        live.fleet.sql(f"create table kept as select jsonb_build_object('image', '{image.base64}') as row")
        self.addCleanup(live.fleet.sql, "drop table kept")
        live.fleet.redis("set", "kept", image.base64)
        self.addCleanup(live.fleet.redis, "del", "kept")
        (live.fleet.folder / "log/kept.log").write_bytes(image.bytes)
        self.addCleanup((live.fleet.folder / "log/kept.log").unlink)
        unlinked = tempfile.TemporaryFile()
        self.addCleanup(unlinked.close)
        unlinked.write(image.bytes)
        unlinked.flush()
        found = files_holding(image.pieces, *self.folders, *deleted_files([os.getpid()]))
        for place in ("/pg_wal/", "/redis-state/", "/log/kept.log", f"/proc/{os.getpid()}/fd/{unlinked.fileno()}"):
            self.assertTrue([path for path in found if place in path], (place, found))

    def test_images_of_renames_that_go_well(self):
        for body in (self.body(), self.body(side=300, layers=3), self.body(side=720, layers=9)):
            reply = self.rename(body)
            self.assertTrue(all_renamed(reply), reply)
            live.rows(f"select id from jobs where id = '{reply.json['jobId']}'")
        self.assert_nowhere()

    def test_images_of_renames_the_provider_fails(self):
        for fault in ("reset", "truncate", "empty_choices", "error_in_200"):
            live.provider.script({"fault": fault})
            self.assertEqual(self.rename(self.body()).json["kept"], 1)
        for status in (400, 401, 500):
            body = self.body()
            echo = body["layers"][0]["imageBase64"]
            live.provider.script({"status": status, "text": f"cannot read {echo[90:240]} with the key {KEY}"})
            self.assertEqual(self.rename(body).json["kept"], 1)
        self.assert_nowhere()

    def test_images_of_edits_sent_and_generated(self):
        for side in (40, 720):
            reply = self.edit(self.edits(side))
            self.assertEqual(reply.status, 200, reply)
            self.remember_generated(reply.json, 5)
            live.rows(f"select id from only jobs where id = '{reply.json['jobId']}'")
        # Five of these in one reply are more than nginx's buffers hold.
        live.provider.script({"wants": "image", "image": Image(720).base64})
        reply = self.edit(self.edits())
        self.remember_generated(reply.json, 1)
        self.assertGreater(len(reply.body), 5 * 720 * 720 * 3)
        self.assert_nowhere()

    def test_images_of_edits_as_a_job_while_they_are_kept_and_after(self):
        self.addCleanup(lambda: live.fleet.redis("flushall", which="payloads"))
        for side in (40, 720):
            accepted = self.edit(self.edits(side), Prefer="respond-async")
            self.assertEqual(accepted.status, 202, accepted)
            job = self.ended(accepted.json["jobId"])
            self.remember_generated(job["result"], 5)
            self.assertIn(self.sent[-1].base64, live.fleet.redis("get", f"job:{job['id']}:result", which="payloads"))
        renaming = live.rename(self.body(side=300), headers={"Prefer": "respond-async"})
        live.rows(f"select id from only jobs where id = '{renaming.json['jobId']}'")
        self.assert_nowhere()
        live.fleet.redis("flushall", which="payloads")
        self.assertEqual(self.job(job["id"])["resultExpired"], True)
        live.fleet.ctl("restart", "redis-state")  # writes what it has
        self.assert_nowhere()

    def test_images_of_edits_the_provider_fails(self):
        body = self.edits()
        echo = body["frameImageBase64"][90:240]
        for rule in ({"wants": "edits", "status": 400, "text": f"cannot read {echo}"},
                     {"wants": "edits", "text": f"I see data:image/png;base64,{echo} and no more"},
                     {"wants": "edits", "fault": "truncate"}):
            live.provider.script(rule)
            self.assertEqual(self.edit(body).status, 502, rule)
        broken = Image(40)
        self.sent += [broken]
        for rule in ({"image": broken.base64[:-40]}, {"image": "!" + broken.base64}, {"fault": "reset"},
                     {"status": 500, "text": f"cannot draw {broken.base64[90:240]}"}):
            live.provider.script({"wants": "image", **rule})
            reply = self.edit(body)
            self.assertEqual(reply.status, 200, reply)
            self.remember_generated(reply.json, 0)
        self.assert_nowhere()

    def test_images_of_edits_whose_runner_crashes_or_whose_job_is_cancelled(self):
        live.provider.script({"wants": "image", "times": 5, "latencyMs": 60_000})
        accepted = self.edit(self.edits(), Prefer="respond-async")
        wait_for(lambda: live.provider.stats()["inFlight"] == 5, "no images were asked for", PATIENCE)
        for process in processes_under([live.fleet.supervisord]):
            if process.program == "runner":
                os.kill(process.pid, signal.SIGABRT)
        job = self.ended(accepted.json["jobId"])
        self.assertEqual((job["status"], job["attempt"]), ("completed", 2), job)
        self.remember_generated(job["result"], 5)
        live.provider.script({"wants": "image", "latencyMs": 60_000})
        accepted = self.edit(self.edits(720), Prefer="respond-async")
        wait_for(lambda: live.provider.stats()["inFlight"] == 5, "no images were asked for", PATIENCE)
        live.ask("DELETE", accepted.json["pollUrl"], headers={"Authorization": f"Bearer {self.token}"})
        self.assertEqual(self.ended(accepted.json["jobId"])["status"], "cancelled")
        self.assert_nowhere()

    def test_images_of_requests_that_are_refused(self):
        broken = self.body()
        broken["layers"][0]["imageBase64"] = "not an image" + broken["layers"][0]["imageBase64"]
        self.assertEqual(self.rename(broken).status, 422)
        twice = self.body(layers=2)
        twice["layers"][1]["id"] = "0"
        self.assertEqual(self.rename(twice).status, 422)
        unnamed = self.body()
        image = unnamed["layers"][0]["imageBase64"]
        unnamed["layers"][0][image] = image  # as a name, and as a value where it does not belong
        unnamed["layers"][0]["type"] = image
        self.assertEqual(self.rename(unnamed).status, 422)
        self.assertEqual(self.rename(json.dumps(self.body()).encode()[:-30]).status, 400)
        self.assertEqual(self.rename(self.body(side=1000, layers=6)).status, 413)
        query = "/api/rename-layers?image=" + self.body(side=20)["layers"][0]["imageBase64"]
        self.assertEqual(live.get(query).status, 405)
        self.assert_nowhere()

    def test_images_of_clients_that_leave(self):
        live.provider.answer_after(60_000)
        for side in (40, 720):
            self.leave(self.body(side), 0.9)
            self.leave(self.body(side), 1)
            self.leave(self.edits(side), 1, "/api/generate-edits")
        data = json.dumps(self.body()).encode()
        with Peer(live.fleet.run / "worker.sock") as peer:
            peer.begin("POST", "/api/rename-layers", len(data), some_trace())
            peer.body(data[:-100])
        self.assert_nowhere()

    def test_images_of_a_worker_that_crashes_and_of_a_database_that_is_down(self):
        self.addCleanup(live.fleet.ctl, "start", "postgresql")
        live.fleet.ctl("stop", "postgresql")
        live.provider.answer_after(60_000)
        replies = []
        client = threading.Thread(target=lambda: replies.append(self.rename(self.body(side=720))))
        client.start()
        wait_for(lambda: live.provider.stats()["inFlight"], "the provider was not asked", PATIENCE)
        old = live.fleet.workers
        for pid in old:
            os.kill(pid, signal.SIGABRT)
        client.join(PATIENCE)
        self.assertEqual(replies[0].status, 502)
        wait_for(lambda: len(set(live.fleet.workers) - set(old)) == 2, "the workers did not come back", PATIENCE)
        live.provider.script()
        reply = self.rename(self.body())
        self.assertTrue(all_renamed(reply), reply)
        live.fleet.ctl("start", "postgresql")
        live.rows(f"select id from jobs where id = '{reply.json['jobId']}'")
        self.assert_nowhere()
        for folder in self.folders:
            self.assertEqual([path for path in folder.rglob("core*") if path.is_file() and not path.is_symlink()], [])

    def test_no_process_may_dump_its_memory(self):
        for process in processes_under([live.fleet.supervisord]):
            limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="utf-8")
            self.assertRegex(limits, r"Max core file size +0 +0 ", process.program)

    def test_while_it_is_served_a_body_is_in_memory_only(self):
        live.provider.answer_after(1500)
        replies = []
        client = threading.Thread(target=lambda: replies.append(self.rename(self.body(side=720))))
        client.start()
        (spooled,) = wait_for(self.spooled, "nginx did not buffer the body in a file", PATIENCE)
        wait_for(lambda: live.provider.stats()["inFlight"], "the provider was not asked", PATIENCE)
        self.assertIn(self.sent[0].pieces[-1], spooled.read_bytes())
        self.assertEqual(files_holding(self.sent[0].pieces, *self.folders), [])
        client.join(PATIENCE)
        self.assertTrue(all_renamed(replies[0]))
        configuration = (live.fleet.run / "conf/nginx/nginx.conf").read_text(encoding="utf-8")
        paths = re.findall(r"^ *\w+_temp_path (\S+);", configuration, re.MULTILINE)
        self.assertEqual(len(paths), 5)
        for path in [*paths, live.fleet.run, live.fleet.run / "redis"]:
            self.assertEqual(filesystem(path), "tmpfs", path)
        self.assert_nowhere()

    def test_keys_and_tokens_are_in_no_log_and_no_database(self):
        wrong = bearer("not the secret, but as long as it must be", {"sub": "x", "iss": "test", "aud": "test"})
        self.rename(self.body())
        self.assertEqual(live.rename(self.body(), headers={"Authorization": f"Bearer {wrong}"}).status, 401)
        self.assertEqual(live.get(f"/api/rename-layers?token={self.token}&key={KEY}").status, 405)
        live.provider.script({"status": 401, "text": f"Incorrect API key provided: {KEY}"})
        self.rename(self.body())
        self.assert_nowhere()
        parts = [part.encode() for token in (self.token, wrong) for part in token.split(".")[1:]]
        hidden = [*parts, KEY.encode(), SECRET.encode()]
        self.assertEqual(files_holding(hidden, *self.folders[:2]), [])  # the third has the settings, on tmpfs


if __name__ == "__main__":
    unittest.main()
