"""The Figma plugin as a designer uses it: Chromium, a fake Figma, and a real fleet over TLS. What happens in the browser is
in scenarios*.mjs; here is what must have come of it on the server's side. Screenshots are left in build/screenshots/."""

import json
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import KEY, PATIENCE, Live
from servers import ROOT, wait_for

live = Live(__file__)
tearDownModule = live.stop


def setUpModule():
    subprocess.run([ROOT / "scripts/dev/plugin", "for-tests"], check=True, timeout=300)
    shutil.rmtree(ROOT / "build/screenshots", ignore_errors=True)


class BrowserCase(live.Case):
    def run_scenario(self, name):
        """What the scenario returns; its output is the failure when it fails."""
        done = subprocess.run(
            ["node", ROOT / "tests/browser/run.mjs", name, f"https://localhost:{live.fleet.https_port}", live.provider.url],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return json.loads(done.stdout.splitlines()[-1])

    def job(self, id_):
        (row,) = live.rows(f"select type, status, layer_count, user_email from jobs where id = '{id_}'")
        return row


class OfflineTest(BrowserCase):
    """Without a key: names and edits come from the images themselves."""

    def test_fifty_layers_are_renamed_after_a_preview_and_one_undo_takes_it_back(self):
        said = self.run_scenario("renameFiftyLayers")
        (job,) = said["jobs"]
        self.assertEqual(self.job(job), ["rename-layers", "completed", "50", "1234567890@figma.invalid"])

    def test_five_edits_with_images_are_offered_and_applied_to_a_copy(self):
        said = self.run_scenario("editsWithImages")
        (job,) = said["jobs"]
        self.assertEqual(self.job(job)[:2], ["generate-edits", "completed"])

    def test_in_both_themes_all_of_it_can_be_read_and_hit(self):
        self.run_scenario("aThemeEach")

    def test_a_rename_needs_no_mouse(self):
        self.run_scenario("keyboardOnly")

    def test_every_control_has_a_name_and_its_place_in_the_order_of_focus(self):
        self.run_scenario("everyControl")


class ProviderTest(BrowserCase):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_AI_ATTEMPTS": "1",
                "PLUGFLEET_BREAKER_FAILURES": "10000"}

    def test_in_a_providers_outage_layers_keep_their_names_and_it_can_be_tried_again(self):
        jobs = self.run_scenario("aProviderOutage")["jobs"]
        self.assertEqual([self.job(job)[1] for job in jobs], ["completed", "completed"])

    def test_an_outage_is_told_to_a_designer_in_a_sentence(self):
        (job,) = self.run_scenario("aProviderOutageOfEdits")["jobs"]
        self.assertEqual(self.job(job)[1], "failed")

    def test_cancel_ends_the_job_and_changes_nothing(self):
        (job,) = self.run_scenario("aCancelledJob")["jobs"]
        live.rows(f"select status from jobs where id = '{job}' and status = 'cancelled'")
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "its calls were not ended", PATIENCE)

    def test_a_lost_connection_is_mended_and_the_job_goes_on(self):
        (job,) = self.run_scenario("aLostConnection")["jobs"]
        self.assertEqual(self.job(job)[1:3], ["completed", "50"])
        self.assertEqual(live.provider.stats()["calls"], 50)

    def test_an_answer_lost_on_its_way_makes_no_second_job(self):
        before, after = self.run_scenario("aLostAnswer")["jobs"]
        self.assertNotEqual(before, after)
        self.assertEqual(live.provider.stats()["calls"], 2)

    def test_a_server_that_is_not_there_is_told_in_a_sentence(self):
        self.run_scenario("aServerThatIsNotThere")

    def test_a_librarys_variants_and_prefixes_stay_and_who_refused_a_name_is_said(self):
        self.run_scenario("aLibrary")

    def test_a_colour_changes_and_pictures_opacity_styles_and_what_is_locked_stay(self):
        self.run_scenario("delicateFills")

    def test_a_copy_of_a_main_component_is_no_second_one(self):
        self.run_scenario("copiesOfMainComponents")

    def test_places_are_the_frames_own_however_it_is_turned(self):
        self.run_scenario("aTurnedFrame")

    def test_what_is_not_sent_is_said_with_its_number(self):
        self.run_scenario("moreThanIsSent")

    def test_an_old_hebrew_or_arabic_name_stands_before_the_new(self):
        self.run_scenario("rightToLeftNames")

    def test_a_server_that_figma_does_not_let_it_reach_is_refused_with_the_way_out(self):
        self.run_scenario("serversOutOfReach")

    def test_a_name_that_is_markup_is_shown_as_text(self):
        self.run_scenario("aNameThatIsMarkup")


if __name__ == "__main__":
    unittest.main()
