"""Figures of the ages that were taken."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scripts.tools.benchmarks.latency.ages import Ages
from scripts.tools.benchmarks.latency.systems import GUARANTEES, RIVER
from scripts.tools.results import Result

Runs = Mapping[str, Sequence[Ages]]
"""By system, one a run."""


def figures(runs: Runs) -> list[Result]:
    """Return medians of the runs' percentiles: of all systems but River, which they stand beside.

    Job and pipe of a guarantee are compared run by run.
    """
    found: list[Result] = []
    river = runs.get(RIVER, ())
    for name in (name for name in runs if name != RIVER):
        found += [_percentile(name, runs[name], river, share) for share in (50, 99)]
        pipe = runs.get(f"pipe.{name}")
        if name in GUARANTEES and pipe:
            found.append(_of_pipe(name, runs[name], pipe))
    return found


def loaded(ages: Sequence[Ages], rate: float, maximum: float | None) -> Iterator[Result]:
    """Yield the figures under load; `maximum`: None where the rate was given."""
    yield from (_percentile("loaded", ages, (), share) for share in (50, 99))
    yield Result("freshness.loaded.rate", rate, "events/s")
    if maximum is not None:
        yield Result("freshness.loaded.maximum", maximum, "events/s")


def _percentile(system: str, own: Sequence[Ages], peers: Sequence[Ages], share: int) -> Result:
    name, values = f"freshness.{system}.p{share}_ms", _each(own, share)
    value = statistics.median(values)
    if not peers:
        return Result(name, value, "ms", runs=values)
    peer = statistics.median(_each(peers, share))
    return Result(name, value, "ms", peer=peer, ratio=value / peer, runs=values)


def _of_pipe(system: str, own: Sequence[Ages], pipe: Sequence[Ages]) -> Result:
    pairs = zip(_each(own, 99), _each(pipe, 99), strict=True)
    shares = [job / bare for job, bare in pairs]
    return Result(f"freshness.{system}.of_pipe", statistics.median(shares), "", runs=shares)


def _each(runs: Sequence[Ages], share: int) -> list[float]:
    return [float(np.percentile(ages, share)) for ages in runs]
