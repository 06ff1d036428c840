"""Of several runs of pytest one status is made: none that fails, and none without a test."""

import subprocess
from collections.abc import Sequence

import pytest

from scripts.tools.checks import test as tool

NONE = 5


def status(
    monkeypatch: pytest.MonkeyPatch, *codes: int, options: Sequence[str] = ()
) -> tuple[int, int]:
    """Return what is made of the runs' statuses, and how many there were."""
    left = list(codes)

    def ran(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, left.pop(0))

    monkeypatch.setattr(tool.subprocess, "run", ran)
    monkeypatch.setattr(tool, "_end_leftovers", lambda _: 0)
    return tool.pytest(tool.LEVELS, options), len(codes) - len(left)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0, 0, 0), 0),
        ((0, NONE, NONE, NONE), 0),
        ((NONE, NONE, NONE, 0), 0),
        ((NONE, NONE, NONE, NONE), NONE),
        ((0, 1, 0, 0), 1),
        ((NONE, NONE, 2, NONE), 2),
        ((1, 0, 0, 0), 1),
    ],
)
def test_no_test_is_no_success(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], expected: int
) -> None:
    assert status(monkeypatch, *codes) == (expected, 4)


def test_where_the_first_failure_ends_it_no_further_run_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert status(monkeypatch, 1, 0, 0, 0, options=["-x"]) == (1, 1)
    assert status(monkeypatch, NONE, 1, 0, 0, options=["-x"]) == (1, 2)


def test_every_level_is_run_once() -> None:
    told = [part for run in tool._parts(tool.LEVELS) for part in run if part.startswith("tests/")]
    assert sorted(told) == sorted(
        [*(f"tests/{name}" for name in tool.LEVELS), tool._KILLED, tool._MEASURED]
    )
    assert next(tool._parts(["kafka"]))[-1] == f"--ignore={tool._MEASURED}"
