"""plugfleet rotate: the old and the new secret during the overlap, the new one alone after it, and no failed request
meanwhile. No secret shows in an argument, an environment, a log or a doctor's report."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer
from live import PATIENCE, Live, at_once, frame, some_layers
from servers import ROOT, wait_for
from traffic import Traffic, all_renamed

live = Live(__file__)
temporary = tempfile.TemporaryDirectory(prefix="plugfleet-test-")  # gone when the process ends
tearDownModule = live.stop

CLAIMS = {"sub": "ada", "iss": "test", "aud": "test"}
BODY = json.dumps(frame(*some_layers(1))).encode()
made = []  # every secret of these tests


def some_secret(prefix=""):
    made.append(prefix + os.urandom(24).hex())
    return made[-1]


def a_file(name, text):
    file = Path(temporary.name) / name
    file.write_text(text + "\n", encoding="utf-8")
    file.chmod(0o640)
    return file


def user(secret):
    return {"Authorization": f"Bearer {bearer(secret, CLAIMS)}"}


class Watch:
    """Looks for the secrets in the arguments and environments of every process, while a `with` block runs."""

    def __init__(self):
        self.seen, self.over = set(), threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for part in ("cmdline", "environ"):
                    try:
                        text = (process / part).read_bytes().decode(errors="replace")
                    except OSError:
                        continue  # it ended meanwhile
                    self.seen |= {f"{part}: {text[:200]}" for secret in made if secret in text}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        self.thread.join()


class RotateCase(live.Case):
    settings = {
        "RUNNERS": "0", "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_LOG_LEVEL": "debug",
        "PLUGFLEET_OPENAI_API_KEY_FILE": str(a_file("key", some_secret("sk-"))), "PLUGFLEET_JWT_ALG": "HS256",
        "PLUGFLEET_JWT_SECRET_FILE": str(a_file("secret", some_secret())),
        "PLUGFLEET_JWT_ISSUER": CLAIMS["iss"], "PLUGFLEET_JWT_AUDIENCE": CLAIMS["aud"],
    }

    def rotate(self, *words, given=None, status=0):
        """What plugfleet rotate said, and its stdout."""
        done = subprocess.run(
            [ROOT / "scripts/plugfleet", "rotate", *words], env=live.fleet.environment, cwd="/",
            input=given or "", capture_output=True, text=True, timeout=300, check=False,
        )
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.said = done.stdout + done.stderr
        return done.stdout

    def rotate_under_requests(self, *words, given=None, headers=None):
        """The same, while requests go on of which none may fail."""
        with ExitStack() as stack:
            watch = stack.enter_context(Watch())
            loads = [stack.enter_context(Traffic(live.fleet, "/api/prompts", clients=2)),
                     stack.enter_context(Traffic(live.fleet, "/api/rename-layers", BODY, 2, all_renamed, headers))]
            for load in loads:
                load.wait_for_more(20)
            self.rotate(*words, given=given)
            for load in loads:
                load.wait_for_more(20)
        for load in loads:
            self.assertEqual(load.failures, [], f"of {load.answered} on {load.path}")
        self.assertEqual(watch.seen, set())
        self.assertEqual([secret for secret in made if secret in self.said], [])

    def tearDown(self):
        logs = [file for file in (live.fleet.folder / "log").iterdir() if file.is_file()]
        for secret in made:
            self.assertEqual([file.name for file in logs if secret in file.read_text(errors="replace")], [])


class JwtSecretTest(RotateCase):
    file = Path(temporary.name) / "secret"

    def status(self, secret):
        """What both workers answer to a token signed with it."""
        return {reply.status for reply in at_once(16, lambda _: live.rename(BODY, headers=user(secret)))}

    def lines(self):
        return self.file.read_text(encoding="utf-8").splitlines()

    def test_both_secrets_are_taken_until_the_rotation_is_finished(self):
        (old,) = self.lines()
        self.rotate_under_requests("jwt-secret", "--make", headers=user(old))
        new, before = self.lines()
        made.append(new)
        self.assertRegex(new, "^[0-9a-f]{64}$")
        self.assertTrue(before.endswith(f"Z {old}"))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o640, "who may read it has changed")
        self.assertEqual((self.status(old), self.status(new)), ({200}, {200}))
        self.assertEqual(self.status(some_secret()), {401})

        self.rotate("jwt-secret", "--make")  # again, by mistake
        self.assertEqual(self.lines(), [new, before])
        self.rotate("jwt-secret", given=some_secret(), status=1)
        self.assertIn("under way", self.said)
        self.assertEqual(self.lines(), [new, before])

        self.rotate_under_requests("jwt-secret", "--finish", headers=user(new))
        self.assertEqual(self.lines(), [new])
        self.assertEqual((self.status(old), self.status(new)), ({401}, {200}))

    def test_the_old_secret_ends_by_itself_when_the_overlap_does(self):
        (old,) = self.lines()
        new = some_secret()
        self.rotate("jwt-secret", "--overlap", "2h", given=new)
        self.assertEqual(self.status(old), {200})
        until = re.match(r"until (\S+)Z ", self.lines()[1])[1]
        left = time.mktime(time.strptime(until, "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()
        self.assertTrue(7000 < left <= 7200, left)

        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 20))
        self.file.write_text(f"{new}\nuntil {soon} {old}\n", encoding="utf-8")
        live.fleet.ctl("restart", "worker:worker_00", "worker:worker_01")
        wait_for(lambda: self.status(old) == {401}, "the old secret was not refused", PATIENCE)
        self.assertEqual(self.status(new), {200})
        self.rotate("jwt-secret", given=some_secret())  # a forgotten --finish is in nobody's way
        self.assertEqual(self.status(new), {200})
        self.rotate("jwt-secret", "--finish")

    def test_a_secret_that_our_programs_refuse_changes_nothing(self):
        before = self.file.read_bytes()
        for given, why in (("x" * 31, "under 32 bytes"), ("", "nothing came"), ("a\nb", "more than one line")):
            self.rotate("jwt-secret", given=given, status=1)
            self.assertIn(why, self.said)
        self.assertEqual(self.file.read_bytes(), before)
        self.assertEqual(list(Path(temporary.name).glob(".*")), [])


class ProviderKeyTest(RotateCase):
    file = Path(temporary.name) / "key"

    def keys(self):
        return re.findall(r"sk-[0-9a-f]+", self.file.read_text(encoding="utf-8"))

    def asked_with(self, *rules):
        """The keys that the provider sees while 8 frames are renamed, none of which may fail."""
        live.provider.script(*rules)
        for reply in at_once(8, lambda _: live.rename(frame(*some_layers(2)))):
            self.assertTrue(all_renamed(reply), reply)
        return set(live.provider.stats()["byKey"])

    def test_the_new_key_is_asked_first_and_the_old_one_only_while_it_is_refused(self):
        old, new = self.keys(), some_secret("sk-")
        self.assertLessEqual(self.asked_with(), set(old))
        self.rotate_under_requests("provider-key", "openai", given=f"{new}\n")
        self.assertEqual(self.file.read_text(encoding="utf-8").split(), [new, *(f"{key}*0" for key in old)])
        self.assertEqual(self.asked_with(), {new})

        self.rotate("provider-key", "openai", given=some_secret("sk-"), status=1)
        self.assertIn("under way", self.said)
        asked = self.asked_with({"key": new, "status": 401})
        self.assertTrue(asked > {new} and asked <= {new, *old}, asked)

        live.provider.script()
        self.rotate_under_requests("provider-key", "openai", "--finish")
        self.assertEqual(self.file.read_text(encoding="utf-8"), f"{new}\n")
        self.assertEqual(self.asked_with(), {new})

    def test_of_several_keys_those_stay_that_are_named_again(self):
        one, two, three = some_secret("sk-"), some_secret("sk-"), some_secret("sk-")
        self.file.write_text(f"{one}*3, {two}\n", encoding="utf-8")
        self.rotate("provider-key", "openai", given=f"{three} * 3,{two}")
        self.assertEqual(self.file.read_text(encoding="utf-8").split(), [f"{three}*3", two, f"{one}*0"])
        self.file.write_text(f"{three}*3\n{two}\n", encoding="utf-8")

    def test_a_key_that_stands_in_the_settings_file_is_moved_into_one_of_its_own(self):
        settings = live.fleet.folder / "plugfleet.conf"
        old, new = some_secret("sk-"), some_secret("sk-")
        settings.write_text(settings.read_text(encoding="utf-8") + f"GEMINI_API_KEY={old}\n", encoding="utf-8")
        self.rotate("provider-key", "gemini", given=new)
        file = live.fleet.folder / "secrets/GEMINI_API_KEY"
        self.assertIn(f"\nGEMINI_API_KEY_FILE={file}\n", settings.read_text(encoding="utf-8"))
        self.assertNotIn(old, settings.read_text(encoding="utf-8"))
        self.assertEqual(file.read_text(encoding="utf-8"), f"{new}\n{old}*0\n")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_what_is_no_key_changes_nothing(self):
        before = self.file.read_bytes()
        for words, given, why in ((("openai",), "two words", "holds a space"), (("openai",), "", "nothing came"),
                                  (("nobody",), "sk-a", "no provider"), (("openrouter",), "sk-a", "no OPENROUTER_API_KEY")):
            self.rotate("provider-key", *words, given=given, status=1)
            self.assertIn(why, self.said)
        self.assertEqual(self.file.read_bytes(), before)


class OperatorTokenTest(RotateCase):
    def admits(self, token):
        return live.get("/api/analytics", headers={"Authorization": f"Bearer {token}"}).status == 200

    def test_the_old_token_is_taken_beside_the_new_one_until_the_rotation_is_finished(self):
        done = subprocess.run([ROOT / "scripts/token", "create", "monitor"], env=live.fleet.environment,
                              capture_output=True, text=True, timeout=60, check=True)
        old = done.stdout.strip()
        new = self.rotate("operator-token", "monitor").strip()
        made.extend((old, new))
        self.assertRegex(new, "^pft_[A-Za-z0-9_-]{43}$")
        self.assertTrue(self.admits(old) and self.admits(new))
        (row,) = live.fleet.sql("select expires_at between now() + interval '23 h' and now() + interval '24 h' "
                                "from operator_tokens where name like 'monitor before %'")
        self.assertEqual(row, ["t"])
        self.rotate("operator-token", "monitor", "--finish")
        wait_for(lambda: not self.admits(old), "the old token was not refused", PATIENCE)
        self.assertTrue(self.admits(new))
        self.rotate("operator-token", "monitor", "--finish")
        self.rotate("operator-token", "nobody", status=1)
        self.assertIn("no token nobody", self.said)


class UsageTest(RotateCase):
    def test_what_makes_no_sense_is_told(self):
        for words in ((), ("keys",), ("provider-key",), ("operator-token", "--finish"), ("jwt-secret", "--expires", "1h"),
                      ("provider-key", "openai", "--make"), ("jwt-secret", "--overlap")):
            self.rotate(*words, status=1)
            self.assertIn("Usage: plugfleet rotate", self.said)
        for overlap in ("0h", "1y", "soon", "31d"):
            self.rotate("jwt-secret", "--make", "--overlap", overlap, status=1)
            self.assertIn("--overlap", self.said)

    def test_a_doctors_report_holds_no_secret(self):
        (live.fleet.folder / "secrets").mkdir(exist_ok=True)
        old = some_secret()
        (live.fleet.folder / "secrets/JWT_SECRET").write_text(f"x\nuntil 2026-01-01T00:00:00Z {old}", encoding="utf-8")
        with (live.fleet.folder / "log/nginx-error.log").open("a", encoding="utf-8") as log:
            log.write(f"what should never happen: {old}\n")
        self.addCleanup((live.fleet.folder / "log/nginx-error.log").write_text, "", encoding="utf-8")
        done = subprocess.run([ROOT / "scripts/plugfleet", "doctor"], env=live.fleet.environment, capture_output=True,
                              text=True, timeout=120, check=True)
        file = Path(done.stdout.split()[0])
        self.addCleanup(file.unlink)
        with tarfile.open(file) as report:
            texts = {member.name: report.extractfile(member).read().decode() for member in report if member.isfile()}
        for secret in made:
            self.assertEqual([name for name in texts if secret in texts[name]], [])

    def tearDown(self):
        pass  # the test above has written a secret into a log itself


if __name__ == "__main__":
    unittest.main()
