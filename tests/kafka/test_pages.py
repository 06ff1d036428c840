"""The programs of README.md, word for word: one event is produced, its recommendation is read."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import pages
from tests.builders import event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

WRITTEN_FOR = "localhost:9092"
TOPICS = ("user_behavior", "recommendations")


def program(what: str, job: RunningJob) -> str:
    """The block of the README that uses a class, at the broker and topics of a job."""
    blocks = pages.blocks(Path("README.md"))
    (text,) = (one.text for one in blocks if one.run == "kafka" and f"{what}(" in one.text)
    assert WRITTEN_FOR in text
    text = text.replace(WRITTEN_FOR, job.local.brokers).replace('"shop"', f'"{job.name}-shop"')
    for topic in TOPICS:
        text = text.replace(f'"{topic}"', f'"{job.prefix}.{topic}"')
    return text


def test_the_programs_of_the_readme_send_an_event_and_read_its_recommendation(
    job: RunningJob, tmp_path: Path
) -> None:
    job.settings = ("deep.enabled=false",)
    job.start()
    now = int(time.time() * 1_000)
    others = [
        event(f"u{user}", item, at=now - 60_000 + 5_000 * position)
        for user in range(6)
        for position, item in enumerate(("i7", "i8", "i9"))
    ]
    job.send(others)
    assert job.settle().accepted == len(others)

    subprocess.run([sys.executable, "-c", program("Producer", job)], check=True, timeout=60)
    told = tmp_path / "told"

    def of_ann() -> list[str]:
        return [line for line in told.read_text().splitlines() if line.startswith("ann ")]

    with (
        told.open("w") as out,
        subprocess.Popen([sys.executable, "-c", program("Consumer", job)], stdout=out) as reader,
    ):
        try:
            job.wait(lambda: bool(of_ann()), "a line of the user whose event was produced")
            assert reader.poll() is None
        finally:
            reader.kill()
    recommended = of_ann()[-1].removeprefix("ann ")
    assert "'i8'" in recommended or "'i9'" in recommended
    assert "'i7'" not in recommended
