"""Check, then run every level of tests, cheap ones first; nothing is left running."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import psutil

from scripts.tools.checks.check import check
from scripts.tools.cluster import processes
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import progress, run

LEVELS = ("unit", "golden", "function", "packaging", "topology", "kafka")
_CLUSTER = "kafka"
"""The level whose tests share a cluster; it needs the machine for itself."""
_MEASURED = "tests/kafka/test_throughput.py"
"""Of that level; it needs the machine for itself alone."""
_KILLED = "tests/kafka/test_recovery.py"
"""Of that level; what dies there and how fast it is back is looked at on a cluster of its own."""
_TOGETHER = ("--numprocesses=logical", "--maxprocesses=8", "--dist=loadfile")
_NONE_SELECTED = 5
_MARK = "STREAMREC_TEST_RUN"
_GRACE_SECONDS = 15


def pytest(levels: Sequence[str], options: Sequence[str]) -> int:
    """Run the levels: several processes take those that need no cluster.

    Returns
    -------
    int
        Its exit status, that of no test where none ran, or 1 where a test left a process behind.
    """
    run_id, codes = str(os.getpid()), list[int]()
    environment = {**os.environ, _MARK: run_id}
    for arguments in _parts(levels):
        if not (_failure(codes) and {"-x", "--exitfirst"} & set(options)):
            command = [sys.executable, "-m", "pytest", *arguments, *options]
            done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
            codes.append(done.returncode)
    status = _failure(codes) or (0 if 0 in codes else _NONE_SELECTED)
    return _end_leftovers(run_id) or status


def _parts(levels: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield what pytest is told of each run."""
    together = [f"tests/{level}" for level in levels if level != _CLUSTER]
    if together:
        yield (*_TOGETHER, *together)
    if _CLUSTER in levels:
        yield (f"tests/{_CLUSTER}", f"--ignore={_KILLED}", f"--ignore={_MEASURED}")
        yield (_KILLED,)
        yield (_MEASURED,)


def _failure(codes: Iterable[int]) -> int:
    """Return the first status that is a failure, 0 where there is none."""
    return next((code for code in codes if code not in (0, _NONE_SELECTED)), 0)


def _end_leftovers(run_id: str) -> int:
    deadline = time.monotonic() + _GRACE_SECONDS  # a JVM ends a moment after its Python
    while (left := processes.with_variable(_MARK, run_id)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in left:
        command = " ".join(process.cmdline())[:100]
        progress(f"error: expected no process left by a test, got {process.pid}: {command}")
        process.kill()
    psutil.wait_procs(left, timeout=5)
    return 1 if left else 0


def main() -> int:
    """Read the command line, check and test."""
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description=__doc__,
        epilog="Everything after -- goes to pytest, as in: scripts/test unit -- -x -k savepoint",
    )
    names = ", ".join(("all", "check", *LEVELS))
    parser.add_argument(
        "levels", nargs="*", metavar="LEVEL", help=f"some of {names} (default: all)"
    )
    own, options = _split(sys.argv[1:])
    wanted = parser.parse_args(own).levels or ["all"]
    unknown = set(wanted) - {"all", "check", *LEVELS}
    if unknown:
        parser.error(f"expected some of {names}, got {min(unknown)}")
    begin = time.monotonic()
    failed = check() if {"all", "check"} & set(wanted) else []
    levels = [level for level in LEVELS if "all" in wanted or level in wanted]
    if levels:
        progress("torch for the trainer (scripts/setup --train)")
        setup = [str(ROOT / "scripts" / "setup"), "--train", "--quick"]
        subprocess.run(setup, check=True)
    status = pytest(levels, options) if levels else 0
    progress(f"{time.monotonic() - begin:.0f} s in all")
    for command in failed:
        progress(f"error: {command}: expected to pass; see above")
    return 1 if failed else status


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    run(main)
