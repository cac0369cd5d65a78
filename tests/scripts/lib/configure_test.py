"""configure.py: templates are filled in, each pool gets its section, socket and environment, and what did not change is left
alone."""

import os
import shlex
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/lib"))
sys.dont_write_bytecode = True

import configure
import fleet_conf

MANUAL = (ROOT / "conf/fleet.conf").read_text(encoding="utf-8")
MODULES = {"figma", "pdf"}


def values(**settings):
    return fleet_conf.read(MANUAL, "", settings) | {"RUN": "/run/x", "ROOT": str(ROOT), "FLEET_DIR": "/fleet", "INSTALLED": "", "FILES": "1024",
                                                    "POSTGRES_PORT": "5432", "BUILT_MODULES": MODULES}


def pools(known):
    return fleet_conf.pools_of(known, MODULES)


def environment(text):
    return dict(word.split("=", 1) for word in shlex.split(text))


class TemplatesTest(unittest.TestCase):
    def test_every_name_between_signs_has_a_value(self):
        known = values(WORKER_POOL_PAGES="modules=pdf min=0")
        filled = configure.template_values(known, pools(known))
        for template, name in configure.templates(known):
            self.assertNotRegex(configure.fill(template.read_text(encoding="utf-8"), filled), "@[A-Z_]+@", name)
        for pool in pools(known):
            text = (ROOT / f"conf/supervisord/{pool.kind}.conf").read_text(encoding="utf-8")
            self.assertNotRegex(configure.fill(text, configure.of_pool(pool, filled)), "@[A-Z_]+@", pool.name)

    def test_a_name_that_nobody_knows_is_an_error(self):
        self.assertRaises(KeyError, configure.fill, "a @NO_SUCH_NAME@", {})

    def test_an_address_that_ran_into_the_limit_waits_until_it_may_ask_once_more(self):
        self.assertEqual([configure.limit_wait(rate) for rate in ("100r/s", "1r/s", "30r/m", "40r/m", "1r/m")], [1, 1, 2, 2, 60])

    def test_each_pool_of_workers_is_an_upstream_and_the_first_has_its_old_name(self):
        known = values(WORKER_POOL_PAGES="modules=pdf", RUNNER_POOL_PRINT="modules=pdf")
        text = configure.template_values(known, pools(known))["UPSTREAMS"]
        self.assertEqual([line.split()[1] for line in text.splitlines() if "upstream" in line], ["workers", "pool_pages"])
        self.assertIn("    server unix:/run/x/pages.sock max_fails=0;\n    server unix:/run/x/./pages.sock max_fails=0 backup;\n", text)

    def test_on_several_hosts_each_pool_has_its_port_on_all(self):
        known = values(HOST_ADDRESS="10.8.0.1", OTHER_HOSTS="10.8.0.2", WORKER_POOL_PAGES="modules=pdf port=9001")
        pages = pools(known)[2]
        self.assertEqual(configure.socket_of(pages, known, "a:b"), "socket=tcp://10.8.0.1:9001")
        self.assertIn("server 10.8.0.2:9001 max_fails=3 fail_timeout=10s;", configure.servers_of(pages, known))
        self.assertEqual(configure.template_values(known, pools(known))["POSTGRES_CONNECTIONS"], 2 * 23 + 10)

    def test_the_holder_of_a_pool_on_demand_is_a_program_and_that_of_another_sleeps(self):
        known = values(WORKER_POOL_PAGES="modules=pdf min=0 max=3")
        worker, _, pages = pools(known)
        self.assertIn('exec -a "plugfleet-holder /run/x/worker.sock" sleep infinity', configure.of_pool(worker, known)["HOLDER"])
        self.assertIn("exec /run/x/build/bin/plugfleet-holder /run/x/pages.sock", configure.of_pool(pages, known)["HOLDER"])
        self.assertEqual((configure.of_pool(pages, known)["SLOTS"], configure.of_pool(pages, known)["HOLDER_SLOT"]), (5, 4))


class EnvironmentTest(unittest.TestCase):
    def of(self, number, caller=(), **settings):
        known = values(**settings)
        pool = pools(known)[number]
        return environment(configure.environment(pool.name, "plugfleet", known, pools(known), pool, caller))

    def test_without_pools_a_process_is_told_of_no_modules(self):
        worker = self.of(0)
        self.assertNotIn("PLUGFLEET_MODULES", worker)
        self.assertEqual(worker["PLUGFLEET_POOLS"], "worker=workers:2-10 runner=runners:2-10")
        self.assertEqual(worker["PLUGFLEET_DATABASE_URL"], "host=/run/x/pgbouncer port=6432 dbname=plugfleet user=plugfleet")

    def test_what_a_pool_has_for_itself_goes_before_what_the_caller_says(self):
        settings = {"WORKER_POOL_PAGES": "modules=pdf MEMORY_LIMIT=512MiB"}
        caller = {"PLUGFLEET_MEMORY_LIMIT": "1GiB", "PLUGFLEET_LOG_LEVEL": "it's loud", "PLUGFLEET_SLOT": "3", "HOME": "/root"}
        worker, pages = self.of(0, caller, **settings), self.of(2, caller, **settings)
        self.assertEqual((worker["PLUGFLEET_MEMORY_LIMIT"], pages["PLUGFLEET_MEMORY_LIMIT"]), ("1GiB", "512MiB"))
        self.assertEqual((worker["PLUGFLEET_MODULES"], pages["PLUGFLEET_MODULES"]), ("figma", "pdf"))
        self.assertEqual(pages["PLUGFLEET_LOG_LEVEL"], "it's loud")
        self.assertEqual(pages["PLUGFLEET_LOG_FILE"], "/run/x/data/log/worker.log")
        self.assertFalse({"PLUGFLEET_SLOT", "HOME"} & set(pages))


class FilesTest(unittest.TestCase):
    def test_what_is_right_is_left_alone_and_what_is_of_no_pool_goes(self):
        with tempfile.TemporaryDirectory() as folder:
            file, other = f"{folder}/pool-a.conf", f"{folder}/pool-b.conf"
            for name in (file, other):
                configure.Files().keep(name, "text\n\n")
            before = os.stat(file)
            files = configure.Files()
            files.keep(file, "text")
            files.keep_only(folder, "pool-*.conf", [file])
            self.assertEqual((files.changed, os.listdir(folder)), ([other], ["pool-a.conf"]))
            self.assertEqual(os.stat(file).st_mtime_ns, before.st_mtime_ns)


if __name__ == "__main__":
    unittest.main()
