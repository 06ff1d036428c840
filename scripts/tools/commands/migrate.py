"""Give a savepoint of a former version the uids of now, in a copy beside it, for `flink run -s`.

Jobs of `ranking` with a deep model had other ones; `scripts/restore` does the same by itself.
"""

import argparse
from pathlib import Path

from scripts.tools.cluster import manifest
from scripts.tools.cluster.restorable import migrated
from scripts.tools.console import answer, progress, run


def main() -> None:
    """Read the command line, verify and copy."""
    parser = argparse.ArgumentParser(
        prog="scripts/migrate",
        description=f"{__doc__} Prints the folder to start from, which is the savepoint itself"
        " where it has the uids of now. Files are shared by hard links; the savepoint stays as it"
        " is. Exit 2: it is not what was saved.",
    )
    parser.add_argument(
        "state",
        metavar="PATH",
        help="folder of a savepoint or checkpoint on this machine; copy one of an object store",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    folder = Path(arguments.state.removeprefix("file:")).resolve()
    if (folder / manifest.NAME).exists():  # what `flink stop` wrote has none
        manifest.verify(folder)
    answer({"state": str(migrated(folder, progress))}, as_json=arguments.json)


if __name__ == "__main__":
    run(main)
