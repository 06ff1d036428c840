"""The trainer process: `python -m models.deep.training FOLDER`; see `.process` for the files."""

import argparse
import json
import os
import threading
from pathlib import Path

from models.deep.training.plan import Plan


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m models.deep.training", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    arguments = parser.parse_args()
    if arguments.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    plan = Plan.of(json.loads((arguments.folder / "plan.json").read_text()))
    # only now: torch takes seconds to import, and a parent may be gone before that
    if plan.shape.network == "mf":  # which needs no torch
        from models.deep.training.ratings import run
    else:
        from models.deep.training.process import run
    run(arguments.folder)


def _end_with_parent() -> None:
    """End at once when the parent does: it holds the other end of standard input."""
    # not sys.stdin.read: the interpreter would abort at a normal end, its lock being held
    while os.read(0, 1):
        pass
    os._exit(70)


if __name__ == "__main__":
    main()
