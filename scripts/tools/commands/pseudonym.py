"""Print what the job calls users, with `privacy.pseudonym_key`, as one looks for them in topics."""

import argparse

from conf.parameters import name_params
from scripts.tools.console import ToolError, answer, run
from scripts.tools.kafka.target import add_arguments, target
from state.users.names import Names


def main() -> int:
    """Read the command line and print.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="scripts/pseudonym", description=__doc__)
    parser.add_argument("user", nargs="+", help="id of a user")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_arguments(parser)
    options = parser.parse_args()
    params = name_params(target(options).config)
    if params.key is None:
        message = "privacy.pseudonym_key: expected a key that can be read here, got none"
        raise ToolError(f"{message}; users are called by their ids without one", code=2)
    names = Names(params)
    answer({user: names.of(user) for user in options.user}, as_json=options.json)
    return 0


if __name__ == "__main__":
    run(main)
