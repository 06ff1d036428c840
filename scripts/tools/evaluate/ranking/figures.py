"""Figures of `scripts/evaluate ranking`: a row for every model, metric and slice."""

from typing import Any

from scripts.tools.evaluate.common.figures import of_ranks
from scripts.tools.evaluate.common.output import row
from scripts.tools.evaluate.ranking.run import Evaluation

GE4 = "ge4"


def rows(whole: Evaluation, liked: Evaluation | None) -> list[dict[str, Any]]:
    """Return a row for every model, metric and slice.

    Parameters
    ----------
    whole, liked
        The whole stream, and the good ratings.
    """
    found = _rows_of(whole, {part: part for part in whole.sample.slices()})
    if liked is not None:
        found += _rows_of(liked, {"all": GE4})
    return found


def sizes(whole: Evaluation, liked: Evaluation | None) -> dict[str, int]:
    """Return how many events of each slice were ranked, by the model that ranked most."""
    found = {
        part: max(len(one.ranks) for one in whole.within(events).values())
        for part, events in whole.sample.slices().items()
    }
    if liked is not None:
        found[GE4] = max((len(one.ranks) for one in liked.sampled.values()), default=0)
    return found


def _rows_of(one: Evaluation, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of some slices; those of all events have what ranks do not tell, too."""
    slices, found = one.sample.slices(), []
    for part, name in names.items():
        for model, ranked in one.within(slices[part]).items():
            figures = of_ranks(ranked.ranks)
            if part == "all" and figures:
                figures |= ranked.more
            found += [row(model, metric, name, value) for metric, value in figures.items()]
    return found
