"""Figures as JSON: one object, the same from every script."""

import json
import sys
from pathlib import Path

import pytest

from scripts.tools import results
from scripts.tools.console import ToolError
from scripts.tools.results import Result

FIGURES = sorted(results._FIGURES.rglob("*.json"))
OLDER = {"accuracy-2"}
"""From before other files were refused; the page says so."""


def test_a_figure_has_only_the_parts_it_has():
    assert Result("a.b", 1.5, "s").as_mapping() == {
        "name": "a.b",
        "value": 1.5,
        "unit": "s",
        "runs": [],
    }
    both = Result("a", 2, "", peer=1, ratio=2, runs=[1, 2, 3]).as_mapping()
    assert both["peer"] == 1
    assert both["ratio"] == 2
    assert both["runs"] == [1, 2, 3]


def test_a_document_says_what_ran_where(tmp_path):
    path = tmp_path / "folder" / "out.json"
    results.write(path, [Result("a", 1, "s")])
    document = json.loads(path.read_text())
    assert list(document) == ["command", "commit", "machine", "results"]
    assert "cores" in document["machine"]
    assert document["results"][0]["name"] == "a"


def test_figures_of_the_project_are_measured_from_a_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "commit", lambda: "0123456789ab+")
    results.insist_on_a_commit(None)
    results.insist_on_a_commit(tmp_path / "out.json")
    with pytest.raises(ToolError, match="expected figures of a commit, got files that differ"):
        results.insist_on_a_commit(results._FIGURES / "quality" / "new.json")
    monkeypatch.setattr(results, "commit", lambda: "unknown")
    with pytest.raises(ToolError, match="expected figures of a commit"):
        results.insist_on_a_commit(results._FIGURES / "new.json")
    monkeypatch.setattr(results, "commit", lambda: "0123456789ab")
    results.insist_on_a_commit(results._FIGURES / "new.json")


def test_what_was_just_measured_is_no_difference(monkeypatch):
    said = {"rev-parse": "0123456789ab", "status": ""}
    asked = []

    def git(*arguments):
        asked.append(arguments)
        return said[arguments[0]]

    monkeypatch.setattr(results, "_git", git)
    assert results.commit() == "0123456789ab"
    said["status"] = " M models/keys.py"
    assert results.commit() == "0123456789ab+"
    assert asked[1][-1] == ":!tests/benchmarks"
    assert len(results.commit()) == 13


def test_the_command_has_no_password(monkeypatch):
    said = ["--flink", "http://ann:pw-1@h:1", "bob:pw-1@h", "--flink=https://x:pw-1@h/a", "--n=a:b"]
    monkeypatch.setattr(sys, "argv", ["/x/status.py", *said])
    told = results.command()
    assert "pw-1" not in told
    assert "http://ann:********@h:1" in told
    assert "--n=a:b" in told


@pytest.mark.parametrize("path", FIGURES, ids=[path.stem for path in FIGURES])
def test_the_figures_that_the_pages_show_are_of_a_commit(path: Path) -> None:
    changed = json.loads(path.read_text())["commit"].endswith("+")
    assert changed == (path.stem in OLDER)
