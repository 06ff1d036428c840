"""The metrics window is defined once: for Python's rows, for the edge to Java and for SQL."""

import re

from conf.schema import JobConfig
from jobs import tables
from jobs.types import METRICS
from state.topics import window


def test_the_edge_has_the_fields_of_the_sums() -> None:
    assert METRICS.get_field_names() == list(window.columns())
    assert len(window.Sums().row()) == len(window.columns())


def test_every_sum_is_kept_and_every_field_is_made_of_sums() -> None:
    statement = tables.metric_windows(JobConfig())
    kept = set(re.findall(r"AS (\w+)", window.summed())) - {"DOUBLE"}
    assert kept == set(window.columns()) | {"event_time"}
    for name, expression in window.written(10).items():
        assert f"'{name}' VALUE {expression}" in statement
        assert name.isidentifier()
        words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", expression)) - {"p50", "p99"}
        assert words <= kept | {"age"}
