"""Arms of an experiment, side by side, with intervals that hold at every look.

Reads the outcomes of impressions, from the topic `feedback` or a file, up to what is there now.
Users are what is put into an arm, so all statistics are by user; click-through and reward per
impression are ratios of sums over users (delta method). Intervals are asymptotic confidence
sequences (arXiv 2103.06476): you may look whenever you like and stop when an arm is decided.
"""

import argparse
import math
from collections.abc import Sequence

import numpy as np

from scripts.tools.console import ToolError, positive
from scripts.tools.evaluate.common.output import console_beside, write
from scripts.tools.evaluate.feedback import arms_view, source
from scripts.tools.evaluate.feedback.comparison import Plan, compare
from scripts.tools.evaluate.feedback.impressions import Impressions
from scripts.tools.evaluate.feedback.sample_ratio import SampleRatio
from scripts.tools.evaluate.feedback.slices import totals
from scripts.tools.evaluate.feedback.users import Assigned, Users

_NAMED = 100
"""Users in several arms that are named in the JSON."""


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "arms", help="arms of an experiment, from the feedback on impressions", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add, usual = parser.add_argument, Plan()
    source.add_options(parser)
    add("--control", metavar="NAME", help="arm to compare with (default: the first by name)")
    add(
        "--shares",
        type=_shares,
        metavar="A=.5,B=.5",
        help="share of the users that each arm was to have (default: the same)",
    )
    add(
        "--alpha",
        type=_probability,
        default=usual.alpha,
        metavar="P",
        help="probability of a false decision, over all arms and looks (default: .05)",
    )
    add(
        "--planned-users",
        type=positive(int),
        default=usual.users,
        metavar="N",
        help="users of two arms at which intervals are to be narrowest; choose it before you look"
        f" (default: {usual.users})",
    )


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    found = Impressions.of(source.values(options))
    assigned = Assigned.of(found)
    arms = _arms([arm for arm in found.arms if arm], options.shares)
    control = _control(arms, options.control)
    kept = assigned.kept
    users = _users(found, assigned)
    numbers = {arm: found.arms.index(arm) if arm in found.arms else -1 for arm in arms}
    plan = Plan(options.alpha, options.planned_users)
    comparisons = compare(users, numbers, control, plan)
    counts = {arm: int((users.arm == number).sum()) for arm, number in numbers.items()}
    right = _sample_ratio(counts, options.shares)
    several = assigned.several
    left_out = {
        "bad": found.bad.count,
        "without_arm": assigned.without_arm,
        "in_several_arms": int(len(kept) - kept.sum()) - assigned.without_arm,
    }
    rows = totals(found, assigned, arms)
    arms_view.show(console_beside(options.json), rows, comparisons, right, plan)
    arms_view.tell(left_out, found.bad, several)
    if options.json is not None:
        write(
            options.json,
            rows,
            control=control,
            alpha=plan.alpha,
            planned_users=plan.users,
            comparisons=[one.as_mapping() for one in comparisons],
            sample_ratio=right and {**vars(right), "is_right": right.is_right},
            left_out=left_out,
            users_in_several_arms={"count": len(several), "first": several[:_NAMED]},
        )
    return 0


def _users(found: Impressions, assigned: Assigned) -> Users:
    kept = assigned.kept
    if kept.all():
        return Users.of(assigned.user, found.arm, found.clicked, found.reward)
    return Users.of(assigned.user[kept], found.arm[kept], found.clicked[kept], found.reward[kept])


def _arms(seen: Sequence[str], shares: dict[str, float] | None) -> list[str]:
    """Return all arms by name: those seen, and those that have a share."""
    if not seen:
        message = "arms: expected records with an arm, got none; does the job run an experiment?"
        raise ToolError(message)
    if shares is None:
        return sorted(seen)
    if missing := sorted(set(seen) - set(shares)):
        message = f"--shares: expected a share of every arm, got none of {_listed(missing)}"
        raise ToolError(f"{message}; the arms seen are {_listed(sorted(seen))}", code=2)
    return sorted(shares)


def _control(arms: Sequence[str], asked: str | None) -> str:
    if asked is not None and asked not in arms:
        raise ToolError(f"--control: expected one of {_listed(arms)}, got {asked!r}", code=2)
    return arms[0] if asked is None else asked


def _sample_ratio(users: dict[str, int], shares: dict[str, float] | None) -> SampleRatio | None:
    """Return the check of users by arm; None with one arm, or without users."""
    if len(users) < 2 or not any(users.values()):
        return None
    return SampleRatio.of(users, shares or dict.fromkeys(users, 1.0))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _shares(text: str) -> dict[str, float]:
    """Return the share of each arm.

    >>> _shares("A=.9,B=.1")
    {'A': 0.9, 'B': 0.1}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        if not name or name in found or not (0 < share < math.inf):
            message = f"expected a share above 0 of each arm as A=.5,B=.5, got {part!r}"
            raise argparse.ArgumentTypeError(message)
        found[name] = share
    if not np.isclose(sum(found.values()), 1):
        message = f"expected shares that add up to 1, got {sum(found.values()):g}"
        raise argparse.ArgumentTypeError(message)
    return found


def _probability(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < 1:
        message = f"expected a probability between 0 and 1, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return found
