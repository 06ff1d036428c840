"""Verify a savepoint or checkpoint, then start the job from it, at any parallelism."""

import argparse
from pathlib import Path

from scripts.tools.cluster import manifest
from scripts.tools.cluster.instance import Local
from scripts.tools.commands.submit import add_arguments, submission_of, submit
from scripts.tools.console import answer, progress, run


def main() -> None:
    """Read the command line, verify and submit."""
    parser = argparse.ArgumentParser(
        prog="scripts/restore",
        description=f"{__doc__} Exit 2: the state is not what was saved; nothing was started.",
    )
    parser.add_argument(
        "state",
        metavar="PATH|latest",
        help="folder of a savepoint or checkpoint; latest = the newest finished one",
    )
    parser.add_argument("--verify", action="store_true", help="verify only")
    add_arguments(parser)
    arguments = parser.parse_args()
    folder = _folder(arguments)
    if manifest.verify(folder) is None:
        progress(f"{folder}: a checkpoint has no manifest, its files were not compared")
    if arguments.verify:
        answer({"state": str(folder), "verified": True}, as_json=arguments.json)
        return
    local = Local.load(arguments.run_dir)
    job = submit(local, submission_of(arguments, local, folder))
    answer({"job": job, "state": str(folder)}, as_json=arguments.json)


def _folder(arguments: argparse.Namespace) -> Path:
    if arguments.state != "latest":
        return Path(arguments.state.removeprefix("file:")).resolve()
    run_dir = arguments.run_dir.resolve()
    return manifest.newest(run_dir / "savepoints", run_dir / "checkpoints")


if __name__ == "__main__":
    run(main)
