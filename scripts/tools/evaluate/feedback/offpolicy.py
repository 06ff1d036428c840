"""What another policy would earn, estimated from the propensities of what was shown.

Reads the outcomes of impressions, from the topic `feedback` or a file, and weights each with its
probability under the other policy divided by the one it was shown with: IPS (Horvitz and Thompson
1952) and SNIPS (Swaminathan and Joachims 2015), with 95 % intervals by user. They are for one look.
"""

import argparse

from scripts.tools.console import ToolError, positive
from scripts.tools.evaluate.common.output import console_beside, write
from scripts.tools.evaluate.feedback import offpolicy_view, source
from scripts.tools.evaluate.feedback.impressions import Impressions, numbered
from scripts.tools.evaluate.feedback.policy import RANKED, Policy, Probabilities, ranked
from scripts.tools.evaluate.feedback.weights import Estimates, Usable, estimate


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "offpolicy", help="what another policy would earn, from feedback", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    add(
        "--target",
        required=True,
        metavar="ranked|FILE",
        help="the other policy: ranked, lists without exploration; or JSON lines with rec_id,"
        " item_id and probability",
    )
    add(
        "--clip",
        type=positive(float),
        metavar="C",
        help="make larger weights C: less variance, but biased (default: none is)",
    )
    source.add_options(parser)


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    policy = None if options.target == RANKED else _policy(options)
    found = Impressions.of(source.values(options), keys=policy is not None)
    probability = ranked(found) if policy is None else policy.probabilities(found)
    usable = Usable.of(found.propensity, probability)
    estimates = _estimates(found, probability, usable, options.clip)
    left_out = {"bad": found.bad.count, **usable.left_out}
    if policy is not None:
        left_out["bad_of_target"] = policy.bad.count
    offpolicy_view.show(console_beside(options.json), estimates)
    offpolicy_view.tell(found.bad, policy.bad if policy else None, usable, estimates)
    if options.json is not None:
        write(
            options.json,
            offpolicy_view.rows(estimates),
            target=RANKED if policy is None else "file",
            clip=options.clip,
            impressions=estimates.impressions,
            users=estimates.users,
            effective_sample_size=estimates.effective,
            largest_weight=estimates.largest,
            mean_weight=estimates.mean,
            clipped=estimates.clipped,
            left_out=left_out,
        )
    return 0


def _policy(options: argparse.Namespace) -> Policy:
    if options.target == options.file == "-":
        message = "expected one of them from standard input, got both; give one a file"
        raise ToolError(f"--target, --file: {message}", code=2)
    return Policy.of(source.lines(options.target, "--target"))


def _estimates(
    found: Impressions, probability: Probabilities, usable: Usable, clip: float | None
) -> Estimates:
    """Return the estimates.

    Raises
    ------
    ToolError
        Where there is nothing to estimate from.
    """
    kept = usable.kept
    if not kept.any():
        counts = ", ".join(f"{name} {n:,}" for name, n in usable.left_out.items() if n)
        message = "expected impressions with a propensity above 0 and a probability"
        raise ToolError(f"offpolicy: {message}, got none: {counts}; does the job explore?")
    user = numbered(found.user)[1][kept]
    weight = probability[kept] / found.propensity[kept]
    estimates = estimate(user, found.reward[kept], weight, clip)
    if estimates is None:
        message = "expected impressions that the target would show, got none"
        raise ToolError(f"offpolicy: --target: {message}; choose another target, or more records")
    return estimates
