"""Forget a user: profile, feedback, sequences, training events; later events are not taken.

The answer can be read once a checkpoint is complete that holds nothing of the user any more. It
says what was removed, and what else holds the user for how long. `scripts/control readmit_user`
takes events of the user again.
"""

import argparse
from typing import Any

from scripts.tools.commands.control import send, wait
from scripts.tools.console import answer, run
from scripts.tools.kafka.target import add_arguments, target


def main() -> int:
    """Read the command line, send the command, and show the answer.

    Returns
    -------
    int
        0, or 1 where the job refused.
    """
    parser = argparse.ArgumentParser(prog="scripts/forget", description=__doc__)
    parser.add_argument("user", help="id of the user")
    parser.add_argument("--wait", action="store_true", help="until the job has answered")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_arguments(parser)
    options = parser.parse_args()
    job = target(options)
    name = send(job.address, job.config, "forget_user", user=options.user)
    found: dict[str, Any] = {"id": name, "command": "forget_user", "answered": False}
    if options.wait:
        found = wait(job.address, job.config, name)
    answer(found, as_json=options.json)
    return 0 if found.get("ok", True) else 1


if __name__ == "__main__":
    run(main)
