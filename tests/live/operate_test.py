"""plugfleet backup, restore and doctor: what is kept, what comes back, what is refused, and what never leaves."""

import io
import json
import shlex
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import ROOT, Fleet, fetch

# A PNG of one pixel.
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def rename(fleet, user):
    layers = [{"id": "1", "currentName": "Frame", "type": "FRAME", "imageBase64": IMAGE}]
    fetch(f"{fleet.url}/api/rename-layers", json.dumps({"userEmail": user, "layers": layers}).encode(),
          {"Prefer": "respond-async", "Idempotency-Key": user})


class OperateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # No part of a path is evaluated, whatever stands in it.
        cls.fleet = cls.enterClassContext(Fleet("operate's $(touch evaluated)", {}))

    def plugfleet(self, *words, status=0):
        done = subprocess.run(
            [ROOT / "scripts/plugfleet", *words], env=self.fleet.environment, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def users(self, database="plugfleet"):
        done = subprocess.run(
            ["psql", "-h", self.fleet.run / "postgresql", "-U", "plugfleet", "-d", database, "-XAtq", "-c",
             "select user_email from jobs where user_email <> 'cron' order by 1"],
            capture_output=True, text=True, timeout=30, check=True,
        )
        return done.stdout.split()

    def backups(self):
        return sorted((self.fleet.folder / "backups").glob("*.tar"))

    def test_1_a_restore_brings_back_what_the_backup_had_and_keeps_what_there_was(self):
        rename(self.fleet, "before@backup")
        settings = self.fleet.folder / "plugfleet.conf"
        settings.write_text(settings.read_text(encoding="utf-8") + "OPENAI_API_KEY=sk-very-secret\n", encoding="utf-8")
        files = self.fleet.folder / "files"
        bundle, upload = files / "marketplace/served/a-plugin/1.0.0/app.js", files / "marketplace/tmp/incoming/1"
        for path in (bundle, upload):
            path.parent.mkdir(parents=True)
            path.write_text("as it was", encoding="utf-8")
        bundle.chmod(0o644)
        said = self.plugfleet("backup")
        bundle.write_text("changed", encoding="utf-8")
        (bundle.parent / "late.js").touch()
        file = self.backups()[-1]
        self.assertIn(str(file), said)
        self.assertIn(str(file), self.plugfleet("backup", "--list"))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(b"sk-very-secret", file.read_bytes())
        rename(self.fleet, "after@backup")
        self.assertIn("Say --yes", self.plugfleet("restore", status=1))
        self.assertEqual(self.users(), ["after@backup", "before@backup"])
        said = self.plugfleet("restore", "--yes")
        self.assertEqual(self.users(), ["before@backup"])
        kept = next(word for word in said.split() if word.startswith("plugfleet_before_")).rstrip(";")
        self.assertEqual(self.users(kept), ["after@backup", "before@backup"])
        rename(self.fleet, "later@backup")  # all of it works again
        self.assertEqual(self.users(), ["before@backup", "later@backup"])
        self.assertEqual(self.fleet.sql("select current_setting('timezone')"), [["UTC"]])
        self.assertEqual(self.left_behind(), ([], [[kept]]))
        self.assertEqual((bundle.read_text(encoding="utf-8"), bundle.stat().st_mode & 0o777), ("as it was", 0o644))
        self.assertFalse((bundle.parent / "late.js").exists() or upload.exists())
        before = files / kept.replace("plugfleet_", "")
        self.assertEqual((before / bundle.relative_to(files)).read_text(encoding="utf-8"), "changed")
        for command in said.split("when all is well:")[1].strip().splitlines():  # as it says
            subprocess.run(shlex.split(command), timeout=30, check=True)
        self.assertEqual(self.left_behind(), ([], []))
        self.assertEqual([path.name for path in files.iterdir()], ["marketplace"])

    def left_behind(self):
        """Files and databases that only a backup or a restore at work has."""
        files = [path for path in (self.fleet.folder / "backups").iterdir() if path.suffix != ".tar" and path.name != "lock"]
        return files + [path for path in (ROOT, Path("/")) if (path / "evaluated").exists()], self.fleet.sql(
            "select datname from pg_database where datname ~ '^plugfleet_(before|verify|restoring)'")

    def test_6_a_backup_that_cannot_be_migrated_changes_nothing_and_the_fleet_serves_on(self):
        before = self.users()
        (checksum,) = self.fleet.sql("select checksum from schema_migrations where component = 'core' and version = '0001'")[0]
        change = "update schema_migrations set checksum = '{}' where component = 'core' and version = '0001'"
        self.fleet.sql(change.format("another"))
        self.plugfleet("backup")
        self.fleet.sql(change.format(checksum))
        said = self.plugfleet("restore", "--yes", status=1)
        self.assertTrue(said.endswith("could not be brought to the schema of this release: nothing was changed.\n"), said)
        self.assertEqual((self.users(), self.left_behind()), (before, ([], [])))
        rename(self.fleet, "on@backup")
        self.backups()[-1].unlink()

    def test_5_what_a_backup_left_that_was_killed_goes_with_the_next(self):
        (self.fleet.folder / "backups/.work-killed").mkdir(parents=True, exist_ok=True)
        subprocess.run(["psql", "-h", self.fleet.run / "postgresql", "-U", "postgres", "-qc",
                        "create database plugfleet_verify_4711 owner plugfleet"], timeout=30, check=True)
        self.plugfleet("backup")
        self.assertEqual(self.left_behind(), ([], []))

    def test_2_a_backup_that_does_not_restore_is_deleted_and_said(self):
        count = len(self.backups())
        self.fleet.sql("create table only_here (x int check (current_database() = 'plugfleet'))")
        self.fleet.sql("insert into only_here values (1)")
        try:
            self.assertIn("could not be restored", self.plugfleet("backup", status=1))
        finally:
            self.fleet.sql("drop table only_here")
        self.assertEqual(len(self.backups()), count)
        self.assertFalse(list((self.fleet.folder / "backups").glob("*.unverified")))
        databases = self.fleet.sql("select datname from pg_database where datname like 'plugfleet_verify%'")
        self.assertEqual(databases, [])

    def test_3_a_backup_of_a_newer_release_or_of_something_else_is_refused(self):
        with tarfile.open(self.backups()[0]) as real:
            manifest = json.load(real.extractfile("manifest.json"))
            dump = real.extractfile("plugfleet.dump").read()
        manifest = {"time": manifest["time"], **manifest["databases"]["plugfleet"]}  # as those with one database were
        manifest["migrations"].append("core 9999_from_the_future")
        newer = self.fleet.folder / "newer.tar"
        with tarfile.open(newer, "w") as made:
            for name, data in (("manifest.json", json.dumps(manifest).encode()), ("database.dump", dump)):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                made.addfile(entry, io.BytesIO(data))
        before = self.users()
        self.assertIn("9999_from_the_future", self.plugfleet("restore", str(newer), "--yes", status=1))
        self.assertIn("not a backup of Plugfleet", self.plugfleet("restore", "/etc/hostname", "--yes", status=1))
        self.assertEqual(self.users(), before)

    def test_4_a_doctors_report_holds_the_logs_and_no_secret(self):
        settings = self.fleet.folder / "plugfleet.conf"
        settings.write_text("OPENAI_API_KEY=a-key-of-ours-0123456789*3,another-key-of-ours\n", encoding="utf-8")
        with (self.fleet.folder / "log/worker.log").open("a", encoding="utf-8") as log:
            log.write('{"event":"leak","said":"a-key-of-ours-0123456789 and Bearer abc.def and pft_0123456789abcdef0123"}\n')
        file = Path(self.plugfleet("doctor").split()[0])
        self.addCleanup(file.unlink)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        with tarfile.open(file) as report:
            texts = {member.name: report.extractfile(member).read().decode() for member in report if member.isfile()}
        self.assertIn('"event":"leak"', texts["report/worker.log"])
        self.assertIn("core|0001", texts["report/schema"])
        self.assertIn("worker_00", texts["report/status.json"])
        for secret in ("a-key-of-ours", "another-key", "abc.def", "pft_0123", "before@backup"):
            self.assertEqual([name for name in texts if secret in texts[name]], [], secret)


if __name__ == "__main__":
    unittest.main()
