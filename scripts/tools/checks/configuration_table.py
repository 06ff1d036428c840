"""Bring the configuration table in conf/README.md up to date with the schema, or print it."""

import argparse
from pathlib import Path

from conf.table import markdown, replaced
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import ToolError, run


def main() -> None:
    """Read the command line and write or print the table."""
    parser = argparse.ArgumentParser(prog="scripts/with-venv configuration_table")
    parser.description = __doc__
    parser.add_argument("--print", action="store_true", help="print the table, change nothing")
    parser.add_argument("--page", type=Path, default=ROOT / "conf" / "README.md", metavar="FILE")
    options = parser.parse_args()
    if options.print:
        print(markdown())
        return
    try:
        page = replaced(options.page.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(f"{options.page}: {error}") from None
    options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(main)
