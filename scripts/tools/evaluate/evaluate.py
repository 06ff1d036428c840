"""How good models are on events of a file, and lists on the feedback of users."""

import argparse
from collections.abc import Callable

from scripts.tools import results
from scripts.tools.console import run
from scripts.tools.evaluate import private_lists
from scripts.tools.evaluate.feedback import arms, offpolicy
from scripts.tools.evaluate.holdout import command as holdout
from scripts.tools.evaluate.ranking import command as ranking
from scripts.tools.evaluate.ratings import command as ratings
from scripts.tools.evaluate.sessions import command as sessions


def main() -> int:
    """Read the command line and evaluate."""
    parser = argparse.ArgumentParser(prog="scripts/evaluate", description=__doc__)
    protocols = parser.add_subparsers(
        required=True,
        metavar="ranking|holdout|sessions|ratings|arms|offpolicy|private-counts",
        dest="protocol",
    )
    for command in (ranking, holdout, sessions, ratings, arms, offpolicy, private_lists):
        command.add_to(protocols)
    options = parser.parse_args()
    results.insist_on_a_commit(options.json)
    evaluate: Callable[[argparse.Namespace], int] = options.evaluate
    return evaluate(options)


if __name__ == "__main__":
    run(main)
