"""Figures as JSON: one object `{command, commit, machine, results}`, the same from every script."""

import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.tools.cluster import machine as usable
from scripts.tools.cluster.paths import ROOT
from scripts.tools.cluster.rest_address import without_password
from scripts.tools.console import ToolError

_UNKNOWN = "unknown"
_FIGURES = ROOT / "tests" / "benchmarks"
"""Those that the pages show."""


@dataclass(frozen=True)
class Result:
    """One figure.

    Parameters
    ----------
    name
        Dotted: `freshness.exactly_once.p99_ms`.
    value, unit
        The figure; the median where there were several runs.
    peer, ratio
        What the other system did in the same run, and this figure divided by it.
    of_limit
        This figure divided by what the same machine can do at most, in the same run.
    runs
        The figures of the single runs.
    """

    name: str
    value: float | None
    unit: str
    peer: float | None = None
    ratio: float | None = None
    of_limit: float | None = None
    runs: Sequence[float] = field(default_factory=list)

    def as_mapping(self) -> dict[str, Any]:
        """Return the figure without the parts it does not have."""
        optional = ("peer", "ratio", "of_limit")
        return {k: v for k, v in asdict(self).items() if v is not None or k not in optional}


def document(results: Iterable[Result], *, beside: Sequence[str] = ()) -> dict[str, Any]:
    """Return the object with what is needed to judge the figures: command, commit and machine.

    Parameters
    ----------
    beside
        What else ran on the machine.
    """
    return {
        "command": command(),
        "commit": commit(),
        "machine": machine(),
        **({"beside": list(beside)} if beside else {}),
        "results": [result.as_mapping() for result in results],
    }


def write(
    path: Path, results: Iterable[Result], *, beside: Sequence[str] = (), **more: object
) -> None:
    """Write the object to a file, with more parts; in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = document(results, beside=beside) | more
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def insist_on_a_commit(path: Path | None) -> None:
    """Refuse to measure for `tests/benchmarks` what no commit reproduces.

    Parameters
    ----------
    path
        Where the figures are to be written.

    Raises
    ------
    ToolError
        Where they would become the project's and files differ from the commit.
    """
    if path is None or not path.resolve().is_relative_to(_FIGURES):
        return
    found = commit()
    if found.endswith("+") or found == _UNKNOWN:
        message = f"{path}: expected figures of a commit, got files that differ from {found}"
        raise ToolError(f"{message}; commit them, or write the figures elsewhere")


def commit() -> str:
    """Return the commit of the checkout, `+` behind it where files differ; `unknown` outside.

    Figures that were just measured are no difference.
    """
    try:
        described = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", f":!{_FIGURES.relative_to(ROOT)}")
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN
    return f"{described}+" if changed else described


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """Return processor, cores, memory, system and Python."""
    memory, cores = usable.machine().memory() / (1 << 30), usable.machine().cores()
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    python = platform.python_version()
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {system}, Python {python}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def command() -> str:
    """Return the command line, of paths elsewhere the names alone, of logins no passwords."""
    told = (without_password(_portable(argument)) for argument in sys.argv[1:])
    return shlex.join([_script(), *told])


def _portable(argument: str) -> str:
    name, sign, path = argument.rpartition("=")
    return f"{name}{sign}{Path(path).name}" if Path(path).is_absolute() else argument


def _script() -> str:
    return f"scripts/{Path(sys.argv[0]).stem}"
