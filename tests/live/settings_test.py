"""A worker with wrong settings does not start: it says on stderr what is wrong, and so does --check. Needs no fleet."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True

from servers import BUILD, ROOT
from tokens import KeyPair

WORKER = BUILD / "bin/plugfleet-worker"
SECRET = "a live test's secret of more than 32 bytes"
TOKENS = {"JWT_ALG": "HS256", "JWT_SECRET": SECRET, "JWT_ISSUER": "issuer", "JWT_AUDIENCE": "audience"}


class SettingsTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="plugfleet-test-")
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def run_worker(self, *words, file=None, **settings):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLUGFLEET_")}
        environment |= {"PLUGFLEET_MODULES_DIR": str(BUILD / "modules")}
        environment |= {f"PLUGFLEET_{name}": value for name, value in settings.items()}
        if file is not None:
            (self.folder / "settings").write_text(file, encoding="utf-8")
            words = ("--settings", self.folder / "settings", *words)
        return subprocess.run([WORKER, *words], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, timeout=60,
                              capture_output=True, text=True, check=False)

    def assert_refused(self, saying, **how):
        """It says so, in a few lines that hold no secret, when checking and when starting."""
        for words in (["--check"], []):
            done = self.run_worker(*words, **how)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertTrue(done.stderr.startswith("plugfleet-worker: "), done.stderr)
            self.assertIn(saying, done.stderr)
            self.assertLess(done.stderr.count("\n"), 4)
            self.assertNotIn(SECRET[:12], done.stderr)

    def test_good_settings_are_fine(self):
        asked = {"AI_PROVIDER": "openai", "OPENAI_API_KEY": "x"}
        for settings in ({}, TOKENS, asked, {"RENAME_LIMIT_PER_MINUTE": "7"}):
            done = self.run_worker("--check", **settings)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            self.assertIn("settings fine", done.stdout)

    def test_the_manual_that_is_shipped_is_a_good_settings_file(self):
        done = self.run_worker("--check", "--settings", ROOT / "conf/plugfleet.conf")
        self.assertEqual(done.returncode, 0, done)

    def test_a_secret_under_32_bytes_is_refused(self):
        for secret in ("", "short", "x" * 31):
            self.assert_refused("under 32 bytes", **{**TOKENS, "JWT_SECRET": secret})

    def test_a_missing_issuer_or_audience_is_refused(self):
        for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
            self.assert_refused(name, **{**TOKENS, name: ""})

    def test_a_setting_that_does_not_exist_is_refused_wherever_it_stands(self):
        self.assert_refused("RENAME_LIMIT_PER_MINUT: there is no such setting", RENAME_LIMIT_PER_MINUT="7")
        self.assert_refused("LOG_LEVL: there is no such setting", file="# mine\nLOG_LEVL=info\n")

    def test_every_wrong_value_is_named_with_what_would_be_right(self):
        self.assert_refused('BREAKER_FAILURES: must be a whole number from 1 to 10000, not "0"', BREAKER_FAILURES="0")
        self.assert_refused("AI_TIMEOUT: must be a duration such as 60s", AI_TIMEOUT="60")
        self.assert_refused("BODY_MAX: must be a size such as 20MiB", BODY_MAX="20MB")
        self.assert_refused("LOG_LEVEL: must be one of debug|info|warning|error", LOG_LEVEL="INFO")
        self.assert_refused("RENAME_IN_FLIGHT", RENAME_IN_FLIGHT="101")
        self.assert_refused("line 2: expected NAME=value", file="LOG_LEVEL=info\nAI_TIMEOUT 5s\n")
        done = self.run_worker("--check", AI_TIMEOUT="soon", BODY_MAX="big")
        self.assertIn("AI_TIMEOUT", done.stderr)
        self.assertIn("BODY_MAX", done.stderr)

    def test_the_environment_goes_before_the_file(self):
        done = self.run_worker("--check", file="AI_TIMEOUT=soon\n", AI_TIMEOUT="5s")
        self.assertEqual(done.returncode, 0, done)

    def test_a_provider_without_its_key_is_refused(self):
        for provider in ("openrouter", "gemini", "openai"):
            self.assert_refused(f"{provider.upper()}_API_KEY", AI_PROVIDER=provider)

    def test_a_file_that_is_not_there_is_refused(self):
        self.assert_refused("/nowhere/modules", MODULES_DIR="/nowhere/modules")
        self.assert_refused("nothing.so", MODULES="nothing")
        self.assert_refused("JWT_SECRET_FILE: cannot read /nowhere", **{**TOKENS, "JWT_SECRET_FILE": "/nowhere"})
        self.assert_refused("/nowhere", JWT_ALG="ES256", JWT_JWKS_FILE="/nowhere", JWT_ISSUER="i", JWT_AUDIENCE="a")
        done = self.run_worker("--check", "--settings", "/nowhere/plugfleet.conf")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "plugfleet-worker: cannot read the settings file /nowhere/plugfleet.conf\n"))

    def test_what_is_no_module_is_refused(self):
        (self.folder / "text.so").write_text("not a library", encoding="utf-8")
        self.assert_refused("text.so", MODULES_DIR=str(self.folder))
        (self.folder / "text.so").unlink()
        (self.folder / "other.so").symlink_to(BUILD / "lib/libplugfleet.so")
        self.assert_refused("is not a Plugfleet module", MODULES_DIR=str(self.folder))

    def test_a_module_loaded_twice_is_refused(self):
        for name in ("figma.so", "twin.so"):
            (self.folder / name).write_bytes((BUILD / "modules/figma.so").read_bytes())
        environment = os.environ.get("LD_LIBRARY_PATH", "")
        os.environ["LD_LIBRARY_PATH"] = f"{BUILD / 'lib'}:{environment}"
        self.addCleanup(os.environ.__setitem__, "LD_LIBRARY_PATH", environment)
        self.assert_refused('another module is named "figma"', MODULES_DIR=str(self.folder))

    def test_a_key_set_that_would_let_others_in_is_refused(self):
        key = KeyPair("ES256", "one", self.folder)
        file = self.folder / "keys.json"
        tokens = {"JWT_ALG": "ES256", "JWT_JWKS_FILE": str(file), "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
        for keys, saying in (("nonsense", "JWKS"), ({"keys": []}, "no key for ES256"),
                             ({"keys": [{**key.jwk(), "d": key.jwk()["x"]}]}, "private key"),
                             ({"keys": [{**key.jwk(), "x": key.jwk()["y"]}]}, "not a valid public key")):
            file.write_text(json.dumps(keys), encoding="utf-8")
            self.assert_refused(saying, **tokens)

    def test_a_public_key_is_no_secret(self):
        pem = KeyPair("RS256", "one", self.folder).public_pem()
        self.assert_refused("PEM", **{**TOKENS, "JWT_SECRET": pem})

    def test_an_option_nobody_knows_prints_the_usage(self):
        done = self.run_worker("--chek")
        self.assertEqual((done.returncode, done.stderr.split(":")[0]), (2, "usage"))


if __name__ == "__main__":
    unittest.main()
