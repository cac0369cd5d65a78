"""plugfleet check and reload: what is wrong is named and nothing is changed; what is right is applied, under requests
on kept-alive connections, while a client watches a job."""

import json
import subprocess
import sys
import threading
import unittest
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Stream
from live import frame, some_layers
from servers import ROOT
from traffic import Traffic, all_renamed

live = JobsLive(__file__)
tearDownModule = live.stop

BODY = json.dumps(frame(*some_layers(1))).encode()
LARGE = {**frame(*some_layers(1)), "note": "x" * 100_000}


def plugfleet(verb, **environment):
    return subprocess.run(
        [ROOT / "scripts/plugfleet", verb], env=live.fleet.environment | environment, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )


def ours():
    """Our processes by name, each with its pid."""
    names = [f"{pool}:{pool}_{slot:02}" for pool in ("worker", "runner") for slot in range(2)] + ["keeper"]
    return {name: live.fleet.pid(name) for name in names}


def made():
    """What the fleet was started with."""
    return {file: file.read_bytes() for file in (live.fleet.run / "conf").rglob("*") if file.is_file()}


class ReloadTest(live.Case):
    def setUp(self):
        super().setUp()
        self.settings_file = live.fleet.folder / "plugfleet.conf"
        self.addCleanup(self.settings_file.write_text, self.settings_file.read_text(encoding="utf-8"), encoding="utf-8")

    def set(self, *lines):
        with self.settings_file.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def test_what_is_wrong_is_named_and_nothing_is_changed(self):
        processes, files = ours(), made()
        self.set("LOG_LEVEL=loud", "NO_SUCH_SETTING=1", "and this")
        for verb in ("check", "reload"):
            done = plugfleet(verb)
            self.assertEqual(done.returncode, 1, done.stdout)
            for name in ("LOG_LEVEL: must be one of", "NO_SUCH_SETTING", "expected NAME=value"):
                self.assertEqual(done.stdout.count(name), 1, done.stdout)
        for name, value in (("RATE_GENERAL", "often"), ("PLUGFLEET_EDIT_EDGE_RATE", "seldom"), ("TRUSTED_PROXIES", "10.0.0.0/99")):  # nginx finds the second
            done = plugfleet("reload", **{name: value})
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(value, done.stdout)
        done = plugfleet("check", RATE_GENERAL="often")  # what is wrong with fleet.conf hides nothing of plugfleet.conf
        self.assertEqual([name for name in ("often", "LOG_LEVEL", "NO_SUCH_SETTING") if name not in done.stdout], [], done.stdout)
        self.assertEqual((ours(), made()), (processes, files))
        self.assertEqual(list(live.fleet.run.glob("draft-*")), [])

    def test_a_setting_is_applied_and_no_request_fails_and_a_stream_resumes(self):
        self.assertEqual(plugfleet("check").stdout, "The settings are fine.\n")
        self.assertEqual(live.rename(LARGE).status, 200)
        before = ours()
        job = live.add("noop", delayMs=600_000)
        events, stream = [], Stream(live, job)
        reader = threading.Thread(target=lambda: events.extend(stream))  # an end that is not clean raises
        reader.start()
        self.set("BODY_MAX=64KiB")
        with ExitStack() as stack:
            stack.callback(reader.join)
            loads = [stack.enter_context(Traffic(live.fleet, "/api/rename-layers", BODY, clients=3, good=all_renamed)),
                     stack.enter_context(Traffic(live.fleet, "/api/prompts", clients=6))]
            done = plugfleet("reload")
            for load in loads:
                load.wait_for_more(20)
        for load in loads:
            self.assertEqual(load.failures, [], f"of {load.answered} on {load.path}")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual({name for name, pid in ours().items() if pid == before[name]}, set())
        self.assertEqual(live.rename(LARGE).status, 413)
        self.assertNotIn("completed", [event.name for event in events])
        with Stream(live, job, last_seen=events[-1].number) as resumed:
            live.ask("DELETE", f"/api/jobs/{job}")
            self.assertEqual([event.name for event in resumed][-1], "cancelled")
        stream.close()

        after = ours()
        self.assertEqual(plugfleet("reload").returncode, 0)
        self.assertEqual(ours(), after, "nothing had changed")


if __name__ == "__main__":
    unittest.main()
