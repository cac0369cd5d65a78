"""The keeper starts workers while many requests are under way and stops them afterwards; what dies is back."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import KEY, PATIENCE, Live, frame, some_layers
from servers import ROOT, wait_for
from traffic import Traffic, all_renamed

live = Live(__file__)
tearDownModule = live.stop

BODY = json.dumps(frame(*some_layers(1))).encode()
CLIENTS = 140  # more than two workers shall have at once, and fewer than three


def scaling():
    """What RUN/scaling tells."""
    file = live.fleet.run / "scaling"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def workers():
    return set(live.fleet.workers)


class ScaleTest(live.Case):
    settings = {
        "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_WORKERS_MAX": "10",
        "PLUGFLEET_RUNNERS_MAX": "10", "PLUGFLEET_SCALE_DOWN_AFTER": "2s",
    }

    def traffic(self, clients):
        return Traffic(live.fleet, "/api/rename-layers", BODY, clients=clients, good=all_renamed)

    def test_many_requests_bring_workers_and_quiet_takes_them_and_no_request_fails(self):
        wait_for(lambda: scaling().startswith("worker 2 of 2-10"), "the keeper told nothing", PATIENCE)
        live.provider.answer_after(2000)
        with self.traffic(2) as few:
            with self.traffic(CLIENTS) as many:
                wait_for(lambda: len(workers()) > 2 and "(" in scaling(), "no worker was added", PATIENCE)
                status = subprocess.run(
                    [ROOT / "scripts/plugfleet", "status", "--json"], env=live.fleet.environment, cwd="/",
                    stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
                )
                self.assertRegex(json.loads(status.stdout)["scaling"], r"^worker \d+ of 2-10 \(.*(in flight|waited)")
                many.wait_for_more(2 * CLIENTS)
            live.provider.answer_after(300)
            wait_for(lambda: scaling().startswith("worker 2 of 2-10"), "workers stayed", PATIENCE)
            wait_for(lambda: len(workers()) == 2, "a worker that was stopped stayed", PATIENCE)
            few.wait_for_more(10)
        for load in (many, few):
            self.assertEqual(load.failures, [], f"of {load.answered}")
        steps = [line for line in live.fleet.log_lines("keeper.log") if line["event"] == "scaled"]
        self.assertEqual({abs(step["to"] - step["from"]) for step in steps}, {1})
        self.assertTrue(all(2 <= step["to"] <= 10 for step in steps), steps)

    def test_a_killed_worker_is_back(self):
        before = wait_for(lambda: len(workers()) == 2 and workers(), "there are no two workers", PATIENCE)
        killed, since = min(before), time.monotonic()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: len(workers() - {killed}) == 2 and live.fleet.pid("worker:worker_00")
                 and live.fleet.pid("worker:worker_01"), "it did not come back", PATIENCE)
        print(f"a killed worker was back after {time.monotonic() - since:.1f} s")

