"""Figures as JSON: one object, the same from every script."""

import json
import sys

from scripts.tools import results
from scripts.tools.results import Result


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


def test_the_command_has_no_password(monkeypatch):
    said = ["--flink", "http://ann:pw-1@h:1", "bob:pw-1@h", "--flink=https://x:pw-1@h/a", "--n=a:b"]
    monkeypatch.setattr(sys, "argv", ["/x/status.py", *said])
    told = results.command()
    assert "pw-1" not in told
    assert "http://ann:********@h:1" in told
    assert "--n=a:b" in told
