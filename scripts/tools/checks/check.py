"""Lint, format, types and import law; every check runs, the status says whether all pass."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import progress, run

_BIN = Path(sys.executable).parent
_FIX = (("ruff", "check", "--fix", "."), ("ruff", "format", "."))
_CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("lint-imports", "--no-logo"),
    ("mypy",),
)


def check(*, fix: bool = False) -> list[str]:
    """Run every check, showing what it says.

    Parameters
    ----------
    fix
        Let ruff mend what it can first.

    Returns
    -------
    list of str
        The commands that failed.
    """
    failed = []
    for command in (*(_FIX if fix else ()), *_CHECKS):
        begin = time.monotonic()
        progress(f"$ {' '.join(command)}")
        done = subprocess.run([_BIN / command[0], *command[1:]], cwd=ROOT, check=False)
        if done.returncode != 0:
            failed.append(" ".join(command))
        verdict = "failed" if done.returncode else "ok"
        progress(f"  {verdict} after {time.monotonic() - begin:.1f} s")
    return failed


def main() -> int:
    """Read the command line and check."""
    parser = argparse.ArgumentParser(prog="scripts/check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="first mend what ruff can mend")
    arguments = parser.parse_args()
    failed = check(fix=arguments.fix)
    if failed:
        progress(f"error: {', '.join(failed)}: expected to pass; see above")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
