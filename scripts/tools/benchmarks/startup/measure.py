"""Both parts of `startup`."""

import argparse

from scripts.tools.benchmarks.stage import stage
from scripts.tools.benchmarks.startup import demo, worker
from scripts.tools.results import Result

PARTS = ("worker", "demo")


def measure(options: argparse.Namespace) -> list[Result]:
    """Measure the parts asked for."""
    found: list[Result] = []
    if options.part in ("worker", "both"):
        with stage(options.parallelism) as here:
            found += worker.measure(here, options)
    if options.part in ("demo", "both"):
        found += demo.measure(options)
    return found
