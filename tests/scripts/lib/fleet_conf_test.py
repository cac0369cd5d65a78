"""fleet_conf.py: which value of fleet.conf counts, what is refused and how, and which pool loads what."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
sys.dont_write_bytecode = True

import fleet_conf

MANUAL = (ROOT / "conf/fleet.conf").read_text(encoding="utf-8")
MODULES = {"figma", "pdf", "scorer"}


def wrong(own="", **environment):
    return fleet_conf.all_wrong(MANUAL, own, "fleet.conf", environment, MODULES)


def pools(**environment):
    return fleet_conf.pools_of(fleet_conf.read(MANUAL, "", environment), MODULES)


class ReadTest(unittest.TestCase):
    def test_the_environment_goes_before_the_file_and_the_file_before_the_manual(self):
        read = fleet_conf.read(MANUAL, "WORKERS=3\nRUNNERS=4\n# RATE_GENERAL=1r/s\n", {"WORKERS": "5", "RUNNERS": ""})
        self.assertEqual((read["WORKERS"], read["RUNNERS"], read["RATE_GENERAL"]), ("5", "4", "100r/s"))

    def test_the_first_of_two_counts_and_an_empty_one_is_none(self):
        read = fleet_conf.read(MANUAL, "WORKERS=\nRUNNERS=3\nRUNNERS=4\n", {"HOME": "/root"})
        self.assertEqual((read["WORKERS"], read["RUNNERS"], "HOME" in read), ("2", "3", False))

    def test_more_at_the_least_than_at_the_most_raises_the_most(self):
        self.assertEqual(fleet_conf.read(MANUAL, "WORKERS=12", {})["WORKERS_MAX"], "12")

    def test_what_a_running_fleet_has_is_a_default(self):
        running = {"DEFAULT_HTTP_PORT": "9080"}
        self.assertEqual(fleet_conf.read(MANUAL, "", running)["HTTP_PORT"], "9080")
        self.assertEqual(fleet_conf.read(MANUAL, "HTTP_PORT=8081", running)["HTTP_PORT"], "8081")


class WrongTest(unittest.TestCase):
    def test_the_defaults_are_fine(self):
        self.assertEqual(wrong(), [])

    def test_lines_that_say_nothing_are_named_with_their_number(self):
        self.assertEqual(wrong("\nWORKER=2\nworkers 2\nRATE_EDIT=1r/s\nEMAIL=a@b.c\nWORKER_POOL_PDF=modules=pdf"), [
            "fleet.conf line 2: there is no setting WORKER", "fleet.conf line 3: expected NAME=value",
            "fleet.conf line 4: there is no setting RATE_EDIT; it is EDIT_EDGE_RATE in plugfleet.conf now"])

    def test_each_value_that_makes_no_sense_is_named(self):
        for name, value in (("WORKERS", "0"), ("WORKERS_MAX", "65"), ("RUNNERS", "-1"), ("HTTP_PORT", "65536"), ("HTTP_PORT", "8443"),
                            ("POOL_JOBS", "1001"), ("POSTGRES_MEMORY", "1 GB"), ("REDIS_STATE_MEMORY", "lots"), ("RATE_GENERAL", "0r/s"),
                            ("CLIENT_PREFIX", "60"), ("HTTPS_ADDRESS", "::"), ("OTHER_HOSTS", "10.8.0.2"), ("OTHER_HOSTS", "host"),
                            ("OPERATOR_ADDRESSES", "::1"), ("MODULE_DATABASES", "figma none"), ("MODULE_DATABASES", "../x"), ("BACKUP_KEEP_DAYS", "")):
            with self.subTest(f"{name}={value}"):
                said = wrong(**{name: value})
                self.assertEqual(bool(said), bool(value), said)
                self.assertTrue(not value or any(name in sentence or value in sentence for sentence in said), said)

    def test_pools_that_make_no_sense_are_named(self):
        for line, sentence in (
            ("WORKER_POOL_PDF=modules=pfd", "WORKER_POOL_PDF: there is no module pfd; there are: figma, pdf, scorer"),
            ("WORKER_POOL_PDF=min=1", "WORKER_POOL_PDF: modules= is missing, such as modules=figma"),
            ("WORKER_POOL_PDF=modules=pdf max=0", "WORKER_POOL_PDF: max is 0, less than min or than 1"),
            ("WORKER_POOL_PDF=modules=pdf min=3 max=2", "WORKER_POOL_PDF: max is 2, less than min or than 1"),
            ("WORKER_POOL_PDF=modules=pdf idle=soon", "WORKER_POOL_PDF: idle is 'soon', not a time like 30s or 5m"),
            ("WORKER_POOL_PDF=modules=pdf many", "WORKER_POOL_PDF: 'many' is not NAME=value, or stands there twice"),
            ("WORKER_POOL_PDF=modules=pdf SLOT=1", "WORKER_POOL_PDF: there is no 'SLOT'; there are min, max, idle, modules, port "
                                                   "and settings of plugfleet.conf"),
            ("WORKER_POOL_KEEPER=modules=pdf", "WORKER_POOL_KEEPER: a pool cannot be called keeper"),
            ("WORKER_POOL_A=modules=pdf\nWORKER_POOL_B=modules=pdf", "WORKER_POOL_B: the module pdf is in WORKER_POOL_A already"),
            ("WORKER_POOL_A=modules=pdf\nRUNNER_POOL_A=modules=pdf", "WORKER_POOL_A: RUNNER_POOL_A has the name a already"),
            ("HOST_ADDRESS=10.8.0.1\nWORKER_POOL_A=modules=pdf",
             "WORKER_POOL_A: port= is missing, where other hosts reach these workers (HOST_ADDRESS)"),
        ):
            with self.subTest(line):
                self.assertEqual(wrong(line), [sentence])


class PoolsTest(unittest.TestCase):
    def test_without_a_word_of_pools_there_is_one_of_each_with_all(self):
        self.assertEqual([pool.words() for pool in pools()], ["worker=workers:2-10", "runner=runners:2-10"])
        self.assertEqual([fleet_conf.loaded_by(pool, pools(), MODULES) for pool in pools()], [None, None])

    def test_worker_and_runner_have_what_the_others_have_not(self):
        some = pools(WORKER_POOL_HEAVY="modules=pdf,scorer min=0 max=3 idle=5m MAX_REQUESTS=100", RUNNER_POOL_PRINT="modules=pdf")
        self.assertEqual([pool.words() for pool in some[2:]],
                         ["print=runners:1-10::pdf", "heavy=workers:0-3:300:pdf,scorer"])
        self.assertEqual([fleet_conf.loaded_by(pool, some, MODULES) for pool in some], ["figma", "figma,scorer", "pdf", "pdf,scorer"])
        self.assertEqual((some[3].on_demand, some[3].slots, some[3].settings), (True, 5, {"MAX_REQUESTS": "100"}))
        self.assertEqual((some[2].on_demand, some[2].slots), (False, 11))

    def test_a_pool_that_is_left_nothing_loads_nothing(self):
        some = pools(WORKER_POOL_HEAVY="modules=figma,pdf,scorer")
        self.assertEqual(fleet_conf.loaded_by(some[0], some, MODULES), "-")

    def test_runners_of_none_are_not_on_demand(self):
        self.assertFalse(pools(RUNNERS="0")[1].on_demand)


if __name__ == "__main__":
    unittest.main()
