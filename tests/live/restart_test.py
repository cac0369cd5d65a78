"""plugfleet restart and make run's own replacing of processes, under requests on kept-alive connections; and a build
that does not come up."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import KEY, Live, frame, some_layers
from servers import BUILD, ROOT
from traffic import Traffic, all_renamed

live = Live(__file__)
tearDownModule = live.stop

OPENAI = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY}
BODY = json.dumps(frame(*some_layers(1))).encode()


def plugfleet(*words):
    return subprocess.run(
        [ROOT / "scripts/plugfleet", *words], env=live.fleet.environment, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )


def ours():
    """The pids of our processes."""
    state = json.loads(plugfleet("status", "--json").stdout)
    return {p["name"]: p["pid"] for p in state["processes"] if p["name"].startswith(("worker_0", "runner_", "keeper"))}


class RestartTest(live.Case):
    settings = OPENAI

    def under_requests(self, act):
        """What `act` gave; meanwhile requests go on, a third of them POSTs, and none may fail."""
        with ExitStack() as stack:
            loads = [stack.enter_context(Traffic(live.fleet, "/api/rename-layers", BODY, clients=3, good=all_renamed)),
                     stack.enter_context(Traffic(live.fleet, "/api/prompts", clients=6))]
            for load in loads:
                load.wait_for_more(20)
            done = act()
            for load in loads:
                load.wait_for_more(20)
        for load in loads:
            self.assertEqual(load.failures, [], f"of {load.answered} on {load.path}")
        return done

    def test_a_restart_replaces_every_process_and_no_request_fails(self):
        before = ours()
        done = self.under_requests(lambda: plugfleet("restart"))
        self.assertEqual(done.returncode, 0, done.stdout)
        after = ours()
        self.assertEqual(after.keys(), before.keys(), "the spare slot stayed")
        self.assertEqual({name for name in after if after[name] == before[name]}, set())

    def test_one_pool_is_replaced_alone(self):
        before = ours()
        self.assertEqual(plugfleet("restart", "runners").returncode, 0)
        after = ours()
        changed = {name for name in after if after[name] != before[name]}
        self.assertEqual(changed, {"runner_00", "runner_01"})

    def test_a_build_that_does_not_come_up_is_refused_and_the_old_one_serves_on(self):
        bad = live.fleet.folder / "bad-build"
        (bad / "bin").mkdir(parents=True)
        for program in (BUILD / "bin").iterdir():
            (bad / "bin" / program.name).symlink_to(program)
        for folder in ("lib", "modules"):
            (bad / folder).symlink_to(BUILD / folder)
        (bad / "bin/plugfleet-worker").unlink()
        (bad / "bin/plugfleet-worker").write_text(
            "#!/bin/sh\nif [ \"$1\" = --check ]; then exit 0; fi\necho 'this build is broken' >&2\nexit 1\n", encoding="utf-8"
        )
        (bad / "bin/plugfleet-worker").chmod(0o755)
        link = live.fleet.run / "build"
        before, good = ours(), link.readlink()
        link.unlink()
        link.symlink_to(bad)
        try:
            done = self.under_requests(lambda: plugfleet("restart"))
        finally:
            link.unlink()
            link.symlink_to(good)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("did not come up", done.stdout)
        self.assertIn("this build is broken", done.stdout)
        self.assertEqual(ours(), before)
