"""The console's buttons for the deep model, beside a job that trains one."""

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect

from scripts.tools.commands import control
from tests.kafka.running import RunningJob
from tests.kafka.test_console import CHROMIUM, browsing
from tests.kafka.test_fine_tuning import LOG, settings, status
from tests.kafka.test_serve import serving

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: scripts/setup --with-browser"),
]


class Asked:
    """What the page asked, and whether that is agreed to."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.agrees = True

    def __call__(self, dialog: Dialog) -> None:
        self.questions.append(dialog.message)
        if self.agrees:
            dialog.accept()
        else:
            dialog.dismiss()


def train(job: RunningJob, model: int) -> None:
    """Let the job train and serve a version."""
    name = control.send(job.address, job.config, "fine_tune_now")
    assert control.wait(job.address, job.config, name)["ok"]
    job.wait(lambda: status(job).get("model") == model, lambda: f"{model}, got {status(job)}")


def answered(page: Page, text: str) -> None:
    """Expect what the job answers to a command."""
    said = page.get_by_role("region", name="Commands to the job").get_by_role("status")
    expect(said).to_have_text(text, timeout=20_000)


def serving_model(page: Page, model: str) -> None:
    """Expect what the view says of the model, which it asks for every two seconds."""
    shown = page.locator(".tune dl > div").filter(has_text="Serving")
    expect(shown.locator("dd")).to_have_text(model, timeout=20_000)


def test_a_click_rolls_the_model_back(job: RunningJob, tmp_path: Path) -> None:
    job.settings = (*settings(job), "fine_tune.tolerance=0.9")  # two models of few steps
    job.start()
    job.send(LOG[:3_000])
    job.settle()
    train(job, 1)
    job.send(LOG[3_000:5_000])
    job.settle()
    train(job, 2)

    asked = Asked()
    with serving(job, tmp_path / "serve.log") as client, browsing(client, asked) as page:
        page.goto(f"{client.url}/#/live")
        back = page.get_by_role("button", name="Roll back")
        serving_model(page, "2")

        asked.agrees = False
        back.click()
        answered(page, "")
        assert status(job)["model"] == 2

        asked.agrees = True
        back.click()
        answered(page, "model 2 rolled back to 1: by command")
        serving_model(page, "1")
        assert status(job)["model"] == 1

        back.click()
        answered(page, "model 1 rolled back to none: by command")
        job.wait(lambda: status(job)["model"] == 0, lambda: f"no model, got {status(job)}")
        back.click()
        answered(page, "control: expected a model that serves, got none; nothing to do")
        assert asked.questions == ["Serve the version of the deep model before this one?"] * 4
    assert job.failures() is None
