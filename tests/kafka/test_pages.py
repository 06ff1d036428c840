"""The programs of the pages, word for word: events are sent, and lists are read, beside one job."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from playwright.sync_api import sync_playwright

from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import jars_dir, java
from tests import pages
from tests.builders import event
from tests.kafka.running import RunningJob
from tests.kafka.test_serve import Client, serving

pytestmark = pytest.mark.kafka

BROKER, SERVICE = "localhost:9092", "http://127.0.0.1:8090"
"""What the programs are written for."""
TOPICS = ("user_behavior", "recommendations")
GROUPS = ("shop", "shop-java")
README, CLIENTS = Path("README.md"), Path("jobs/serve/clients.md")
PROGRAMS = {
    "send.py": (README, " Producer("),
    "read.py": (README, " Consumer("),
    "SendEvent.java": (CLIENTS, "class SendEvent "),
    "ReadLists.java": (CLIENTS, "class ReadLists "),
    "send.mjs": (CLIENTS, "async function send("),
    "list.mjs": (CLIENTS, "async function list("),
    "follow.mjs": (CLIENTS, "async function follow("),
    "browser.js": (CLIENTS, " new EventSource("),
    "over_http.py": (CLIENTS, "urlopen("),
}
"""By the name of its file: the page of a program, and words that no other block there has."""
CHROMIUM, NODE = shutil.which("chromium"), shutil.which("node")


def block(name: str) -> pages.Block:
    page, words = PROGRAMS[name]
    (found,) = (one for one in pages.blocks(page) if one.run == "kafka" and words in one.text)
    return found


@pytest.fixture(scope="module")
def job(cluster: Local) -> Iterator[RunningJob]:
    """A job that has learnt that i8 and i9 follow i7; the programs have users of their own."""
    job = RunningJob(cluster, "pages", settings=("deep.enabled=false",))
    job.start()
    now = int(time.time() * 1_000)
    others = [
        event(f"u{user}", item, at=now - 60_000 + 5_000 * position)
        for user in range(6)
        for position, item in enumerate(("i7", "i8", "i9"))
    ]
    job.send(others)
    assert job.settle().accepted == len(others)
    yield job
    job.end()


@pytest.fixture(scope="module")
def service(job: RunningJob, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The service beside it."""
    with serving(job, tmp_path_factory.mktemp("service") / "log") as client:
        yield client


@pytest.fixture
def programs(job: RunningJob, tmp_path: Path) -> Path:
    """A folder with the programs of the pages, at the broker and topics of the job."""
    names = {f'"{topic}"': f'"{job.prefix}.{topic}"' for topic in TOPICS}
    names |= {f'"{group}"': f'"{job.name}-{group}"' for group in GROUPS}
    for name in PROGRAMS:
        text = block(name).text
        assert BROKER in text or SERVICE in text
        for written, meant in {BROKER: job.local.brokers, **names}.items():
            text = text.replace(written, meant)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def asking(programs: Path, service: Client) -> Path:
    """The same folder; programs for the service ask the one that runs."""
    for path in programs.iterdir():
        path.write_text(path.read_text().replace(SERVICE, service.url))
    return programs


def output(*command: str | Path) -> list[str]:
    """Run a program to its end; return the lines that it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@contextmanager
def printing(command: Sequence[str | Path], told: Path) -> Iterator[Path]:
    """Run a program that does not end by itself; give the file that it prints to."""
    with told.open("w") as out, subprocess.Popen(command, stdout=out) as process:
        try:
            yield told
            assert process.poll() is None
        finally:
            process.kill()


def lines(told: Path, begin: str) -> list[str]:
    return [line for line in told.read_text().splitlines() if line.startswith(begin)]


def follows_i7(line: str) -> bool:
    return ("i8" in line or "i9" in line) and "i7" not in line


def test_every_program_that_is_marked_is_run() -> None:
    marked = {str(one) for one in pages.all_blocks() if one.run == "kafka"}
    assert marked == {str(block(name)) for name in PROGRAMS}


def test_python(job: RunningJob, programs: Path) -> None:
    output(sys.executable, programs / "send.py")
    with printing([sys.executable, programs / "read.py"], programs / "told") as told:
        job.wait(lambda: bool(lines(told, "ann ")), "a list of the user whose event was sent")
    assert follows_i7(lines(told, "ann ")[-1])


def test_java(job: RunningJob, programs: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("no javac: programs in single files need a JDK")
    command = (java(), "-XX:TieredStopAtLevel=1", "-cp", f"{jars_dir()}/*")
    withdrawn = Producer(job.address.client({}))
    withdrawn.produce(f"{job.prefix}.recommendations", key="gone", value=None)
    assert withdrawn.flush(30) == 0

    (sent,) = output(*command, programs / "SendEvent.java")
    assert json.loads(sent.removeprefix("sent "))["user_id"] == "bob"
    with printing([*command, programs / "ReadLists.java"], programs / "told") as told:
        job.wait(lambda: bool(lines(told, "bob ")), "a list of the user whose event was sent")
        job.wait(lambda: bool(lines(told, "gone ")), "the user whose list was withdrawn")
    assert follows_i7(lines(told, "bob ")[-1])
    assert lines(told, "gone ") == ["gone withdrawn"]


@pytest.mark.skipif(NODE is None, reason="no node: the programs in JavaScript are not run")
def test_javascript(job: RunningJob, asking: Path) -> None:
    assert NODE is not None
    with printing([NODE, asking / "follow.mjs"], asking / "told") as told:
        job.wait(lambda: bool(lines(told, "list ")), "the list of a user nobody knows")
        before = output(NODE, asking / "list.mjs")
        assert before == lines(told, "list ")
        assert "i7" in before[0]

        assert output(NODE, asking / "send.mjs") == ["accepted"]
        job.wait(lambda: len(lines(told, "list ")) > 1, "another list, after the event")
        after = output(NODE, asking / "list.mjs")
        assert after[0] == lines(told, "list ")[-1]
        assert follows_i7(after[0])


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: scripts/setup --with-browser")
def test_javascript_in_a_browser(asking: Path, service: Client) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{service.url}/v1/health")
        # a browser also says that there is no icon, sooner or later
        with page.expect_console_message(lambda message: message.text.startswith("list ")):
            page.evaluate(f"() => {{{(asking / 'browser.js').read_text()}}}")
        browser.close()


def test_python_over_http(asking: Path) -> None:
    accepted, listed = output(sys.executable, asking / "over_http.py")
    assert accepted == "accepted"
    assert listed.startswith("list i")
