"""The provider pool: dead and limited keys, fallback from one provider to the next, hedged calls."""

import statistics
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import PATIENCE, Live, at_once, frame, some_layers
from servers import free_ports, wait_for

live = Live(__file__)
tearDownModule = live.stop

LAYERS = 300
ALIVE, DEAD = "sk-alive-0123456789abcdef", "sk-dead-0123456789abcdef"


def metric(name, provider):
    for line in live.get("/metrics").body.decode().splitlines():
        if line.startswith(f'plugfleet_ai_{name}{{provider="{provider}"}} '):
            return float(line.rpartition(" ")[2])
    return 0


class PoolCase(live.Case):
    def rename(self, count=LAYERS):
        """Renames a frame of `count` layers, none of which may keep its name."""
        reply = live.rename(frame(*some_layers(count)))
        self.assertEqual((reply.status, reply.json["renamed"], reply.json["kept"]), (200, count, 0), reply)
        return reply.json

    def health(self):
        return live.get("/health").json["checks"]["provider"]


class KeysTest(PoolCase):
    settings = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": f"{DEAD}*3, {ALIVE}",
                "PLUGFLEET_AI_ATTEMPTS": "1", "PLUGFLEET_BREAKER_FAILURES": "5", "PLUGFLEET_AI_HEDGE_PERCENT": "0"}
    dead = {"status": 401}

    def test_with_one_of_two_keys_dead_nothing_fails(self):
        live.provider.script({"key": DEAD, **self.dead}, {"latencyMs": 5})
        for _ in range(4):  # through either worker
            self.rename()
        by_key = live.provider.stats()["byKey"]
        self.assertEqual(by_key[ALIVE], 4 * LAYERS)
        self.assertLessEqual(by_key.get(DEAD, 0), 2 * 10)  # what was out at once when each worker found out
        self.assertEqual(self.health(), "ok")


class UnpaidKeyTest(KeysTest):
    settings = {**KeysTest.settings, "PLUGFLEET_BREAKER_FAILURES": "6"}  # workers that know nothing of the key yet
    dead = {"status": 402}

    def test_who_looks_at_the_metrics_sees_that_a_key_rests_and_no_log_shows_one(self):
        live.provider.script({"key": DEAD, **self.dead})
        self.rename()
        self.assertGreaterEqual(metric("keys_resting", "openai"), 1)
        for name in ("worker.log", "runner.log"):
            text = (live.fleet.folder / "log" / name).read_text(encoding="utf-8")
            self.assertNotIn("sk-", text)


class LimitedKeyTest(PoolCase):
    settings = {**KeysTest.settings, "PLUGFLEET_BREAKER_FAILURES": "7"}

    def test_a_limited_key_hands_on_to_the_next_at_once(self):
        live.provider.script({"key": DEAD, "status": 429, "headers": {"Retry-After": "60"}}, {"latencyMs": 5})
        for _ in range(4):
            self.rename()
        self.assertLessEqual(live.provider.stats()["byKey"].get(DEAD, 0), 2 * 10)


class AllKeysDeadTest(PoolCase):
    settings = {**KeysTest.settings, "PLUGFLEET_BREAKER_FAILURES": "8", "PLUGFLEET_BREAKER_OPEN_FOR": "1s"}

    def test_the_provider_is_out_of_order_until_a_bill_is_paid(self):
        live.provider.script({"status": 402})
        reply = live.rename(frame(*some_layers(20)))
        self.assertEqual((reply.status, reply.json["kept"]), (200, 20))
        wait_for(lambda: self.health() not in ("ok", "offline"), "nobody saw that no key is left", PATIENCE)
        live.provider.script()
        wait_for(lambda: live.rename(frame(*some_layers(1))).json["renamed"] == 1, "nobody tried it again", PATIENCE)


class FallbackTest(PoolCase):
    settings = {"PLUGFLEET_AI_PROVIDER": "openrouter,gemini", "PLUGFLEET_OPENROUTER_API_KEY": ALIVE,
                "PLUGFLEET_GEMINI_API_KEY": ALIVE, "PLUGFLEET_AI_ATTEMPTS": "1",
                "PLUGFLEET_OPENROUTER_BASE_URL": f"http://127.0.0.1:{free_ports(1)[0]}/api/v1"}

    def test_where_a_provider_is_down_the_next_answers(self):
        before = metric("calls_total", "openrouter")
        self.rename()
        self.assertEqual(live.provider.stats()["calls"], LAYERS)
        self.assertTrue(all("generateContent" in call["path"] for call in live.provider.calls()))
        self.assertLess(metric("calls_total", "openrouter") - before, LAYERS)  # its breaker has opened
        self.assertEqual(self.health(), "ok")

    def test_a_prompt_refused_for_what_it_says_ends_there(self):
        live.provider.script({"status": 400})
        reply = live.rename(frame(*some_layers(5)))
        self.assertEqual((reply.status, reply.json["kept"]), (200, 5))
        self.assertEqual(live.provider.stats()["calls"], 5)


class OfflineFallbackTest(PoolCase):
    settings = {**FallbackTest.settings, "PLUGFLEET_AI_PROVIDER": "openrouter,offline"}

    def test_where_every_provider_is_down_the_module_answers(self):
        self.rename(50)
        self.assertEqual(live.provider.stats()["calls"], 0)


class HedgeTest(PoolCase):
    PERCENT, RENAMES, SLOW_MS = 3, 1500, 3000
    settings = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": f"{ALIVE},{DEAD}",
                "PLUGFLEET_AI_HEDGE_PERCENT": str(PERCENT)}

    def test_a_slow_call_is_overtaken_and_second_calls_stay_within_their_percentage(self):
        live.provider.script({"every": 67, "latencyMs": self.SLOW_MS}, {"latencyMs": 50})
        calls, hedges, wins = self.counts()
        replies = at_once(16, lambda _: [live.rename(frame(*some_layers(1))) for _ in range(self.RENAMES // 16)])
        times = sorted(reply.json["durationMs"] for many in replies for reply in many)
        self.assertTrue(all(reply.json["renamed"] == 1 for many in replies for reply in many))
        calls, hedges, wins = (now - then for now, then in zip(self.counts(), (calls, hedges, wins)))
        median, p99 = statistics.median(times), times[len(times) * 99 // 100]
        print(f"\n  hedging: {calls:.0f} calls, {hedges:.0f} of them second ones, {wins:.0f} won; median {median:.0f} ms,"
              f" p99 {p99:.0f} ms, slowest {times[-1]:.0f} ms; 1.5 % of calls take {self.SLOW_MS} ms")
        self.assertGreaterEqual(wins, 1)
        self.assertLessEqual(hedges, (calls - hedges) * self.PERCENT / 100)
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "a call was left out", PATIENCE)
        self.assertGreaterEqual(live.provider.stats()["aborted"], wins)

    def counts(self):
        return [metric(name, "openai") for name in ("calls_total", "hedges_total", "hedge_wins_total")]


if __name__ == "__main__":
    unittest.main()
