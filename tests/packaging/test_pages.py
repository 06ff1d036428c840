"""The pages keep what they show: links lead somewhere, commands and configuration are taken."""

import ast
import json
import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from conf import table
from conf.loader import load
from scripts.tools.cluster.paths import LOCAL_CONFIG, ROOT
from scripts.tools.commands.demo_summary import Summary
from scripts.tools.kafka.accounting import Metrics
from scripts.tools.kafka.observer import Seen
from scripts.tools.kafka.windows import DeepQuality, Quality
from tests import pages
from tests.pages import Block

README = Path("README.md")
LARGEST = {README: 10_000, Path("CHANGELOG.md"): None, Path("conf/README.md"): None}
"""Bytes of a page; a log and a generated table may be of any size."""
LARGEST_OF_OTHERS = 12_000
PAGES_WITH_PROGRAMS = {README, Path("jobs/serve/clients.md")}
"""Those that `tests/kafka/test_pages.py` reads."""
COORDINATES = re.compile(r"[a-z][\w.]+:(?P<artifact>[a-z][\w.-]+):(?P<version>\d[\w.]*)")
"""Of a library, as Maven names it."""
CHECKED = {"json", "yaml", "sh"}
"""Languages whose blocks are checked below."""
KEY = re.compile(r"([a-z_]+\.[a-z_.]+)")
"""A key of the configuration, or what looks like one."""
NO_KEYS = {"job.version", "privacy.json"}
"""A header of dead letters, and a file of a model."""
FILE = re.compile(r"(?!\.|config\.yaml)[\w./-]+\.(py|yaml|cfg|lock)")
"""A source file of the project; Flink has a `config.yaml`."""
DEMO = re.compile(r"^\$ scripts/demo\b")


def blocks(*languages: str) -> Any:
    found = [block for block in pages.all_blocks(*languages) if block.not_run is None]
    return pytest.mark.parametrize("block", found, ids=str)


@pytest.mark.parametrize("page", pages.pages(), ids=str)
def test_a_page_leads_somewhere_and_is_short(page: Path) -> None:
    objections = [pages.objection(link, page) for link in pages.links(page)]
    assert [one for one in objections if one] == []
    size = len(pages.read(page).encode())
    limit = LARGEST.get(page, LARGEST_OF_OTHERS)
    assert limit is None or size <= limit


def test_the_readme_links_every_page() -> None:
    linked = {Path(link.partition("#")[0]) for link in pages.links(README)}
    assert set(pages.pages()) - linked - {README} == set()


@pytest.mark.parametrize("page", [p for p in pages.pages() if p.name != "CHANGELOG.md"], ids=str)
def test_files_named_within_the_text_exist(page: Path) -> None:
    """In the folder of the page, or from the root."""
    named = {span for span in pages.spans(page) if FILE.fullmatch(span)}
    there = {
        name for name in named if (ROOT / page.parent / name).exists() or (ROOT / name).exists()
    }
    assert sorted(named - there) == []


def test_keys_named_within_the_text_exist() -> None:
    """Of the sections of a job's configuration; a last part may be `*`, or an event type."""
    keys = {line.split("`")[1] for line in table.markdown().splitlines() if line.startswith("| `")}
    sections = {key.partition(".")[0] for key in keys}
    wrong = []
    for page in pages.pages():
        for span in pages.spans(page) if page.name != "CHANGELOG.md" else ():
            named = KEY.match(span)
            if named is None or named[1].partition(".")[0] not in sections or span in NO_KEYS:
                continue
            known = any(key == named[1] or key.startswith(f"{named[1]}.") for key in keys)
            within = any(named[1].startswith(f"{key}.") for key in keys)
            if not (
                known
                or within
                or (span.endswith("*") and any(k.startswith(named[1]) for k in keys))
            ):
                wrong.append(f"{page}: {span}")
    assert wrong == []


@pytest.mark.parametrize("page", pages.pages(), ids=str)
def test_libraries_named_within_the_text_are_those_of_setup(page: Path) -> None:
    found = [COORDINATES.fullmatch(span) for span in pages.spans(page)]
    named = {f"{one['artifact']}-{one['version']}.jar" for one in found if one}
    there = {line.split()[1] for line in (ROOT / "conf" / "jars.sha256").read_text().splitlines()}
    assert sorted(named - there) == []


@pytest.mark.parametrize("page", pages.pages(), ids=str)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    unmarked = [
        str(block)
        for block in pages.blocks(page)
        if block.language not in CHECKED
        and not DEMO.match(block.text)
        and block.run is None
        and block.not_run is None
    ]
    assert unmarked == []
    where = {None, "kafka"} if page in PAGES_WITH_PROGRAMS else {None}
    assert {block.run for block in pages.blocks(page)} <= where


@blocks("json")
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@blocks("yaml")
def test_yaml_is_a_configuration_of_the_job(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in re.findall(r"\$\{env:(\w+)\}", block.text):
        monkeypatch.setenv(name, "secret")
    (tmp_path / "secret").write_text("secret")
    text = re.sub(r"\$\{file:[^}]+\}", f"${{file:{tmp_path}/secret}}", block.text)
    tree = merged(yaml.safe_load(LOCAL_CONFIG.read_text()), yaml.safe_load(text))
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(tree))
    load(tmp_path / "job.yaml")
    assert caplog.text == ""  # such as for keys by their old names


def merged(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in top.items():
        below = found.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        found[key] = merged(below, value) if both else value
    return found


@blocks("sh")
def test_commands_are_taken_by_their_tools(block: Block) -> None:
    for line in block.commands():
        words = shlex.split(line, comments=True)
        if words and words[0].startswith("scripts/"):
            assert pages.refusal(words) is None, str(block)
        else:
            done = subprocess.run(["bash", "-n"], input=line, capture_output=True, text=True)
            assert done.returncode == 0, f"{block}: {done.stderr}"


@pytest.mark.parametrize("page", pages.pages(), ids=str)
def test_options_named_within_the_text_exist(page: Path) -> None:
    for span in pages.spans(page):
        name, *words = span.split()
        script = re.fullmatch(r"scripts/(\w[\w-]*)", name)
        if script is None:
            continue
        if (ROOT / name).is_dir() or script[1] == "with-venv":
            continue
        assert (ROOT / name).is_file(), f"{page}: expected a script, got {name}"
        named = {word for text in words for word in re.findall(r"--[a-z][a-z-]*", text)}
        assert named - pages.options(script[1]) == set(), f"{page}: {span}"


@blocks("python")
def test_programs_compile(block: Block) -> None:
    ast.parse(block.text)


def test_the_summary_of_the_demo_has_the_rows_that_it_prints() -> None:
    (shown,) = (block for block in pages.blocks(README) if DEMO.match(block.text))
    rows = [line.split("│")[1].strip() for line in shown.text.splitlines() if "│" in line]
    printed = labels()
    assert rows == [label for label in printed if label in rows]
    assert len(rows) > len(printed) // 2


class EverySum(Metrics):
    """Metrics with every figure there can be."""

    def __init__(self) -> None:
        super().__init__()
        self.fine_tune = {"verdict": "accepted", "model": 1}

    def quality(self) -> Quality:
        deep = DeepQuality(scored=1, blend=0.1, online=0.1, deep=0.1, popularity=0.1)
        return Quality(
            scored=1, hit_rate=0.1, popularity_hit_rate=0.1, with_deep=deep, rmse=1.0
        )  # fmt: skip


def labels() -> list[str]:
    """The names of all rows that a summary may have, in its order."""
    seen = Seen(metrics=EverySum(), reasons=Counter(deep=1), ages_ms=[1])
    summary = Summary(seen, 1, frozenset(), {}, seconds=1.0, started=1.0, ready=1.0)
    return [name for name, _ in summary._lines()]
