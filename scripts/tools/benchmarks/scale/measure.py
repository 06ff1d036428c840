"""Both parts of `scale`, each on a cluster of its own size."""

import argparse

from scripts.tools.benchmarks.scale import state, subtasks
from scripts.tools.benchmarks.stage import stage
from scripts.tools.results import Result

PARTS = ("subtasks", "state")


def measure(options: argparse.Namespace) -> list[Result]:
    """Measure the parts asked for."""
    found: list[Result] = []
    if options.part in ("subtasks", "both"):
        with stage(max(subtasks.parallelisms(options.parallelism))) as here:
            found += subtasks.measure(here, options)
    if options.part in ("state", "both"):
        with stage(options.slots) as here:
            found += state.measure(here, options)
    return found
