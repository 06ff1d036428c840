"""Figures as JSON: one object, the same from every script."""

import json

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
