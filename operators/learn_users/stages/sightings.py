"""Sightings: the items of a micro-batch that are counted as trending, and when."""

import numpy as np

from models.columns.events import Events
from models.columns.users import Users
from models.popularity.contributions import Before, Bound, counted
from operators.params import LearnUsersParams


class Sightings:
    """Says what is counted: a sample of all, or with private counts so much of each user.

    With private counts, whom else a micro-batch holds decides nothing: neither which events of a
    user count, nor when. So there is no sample of all, and they are counted at the time of
    processing, not at that of the newest event.
    """

    def __init__(self, params: LearnUsersParams) -> None:
        self._params = params
        self._before: Before | None = None
        self._bound: Bound | None = None
        if params.counted_items is not None:
            self._bound = Bound(
                items=params.counted_items,
                window_ms=params.trending_window_ms,
                lateness_ms=params.trending_lateness_ms,
                recent_lateness_ms=params.learning.users.lateness_ms,
            )

    def look(self, users: Users) -> None:
        """Note what is known of a micro-batch's users before its events are taken."""
        if self._bound is not None:
            self._before = Before.of(users)

    def time(self, newest: int, now_ms: int) -> int:
        """Return the time, ms, at which a micro-batch is counted, by that of its newest event."""
        return newest if self._bound is None else now_ms

    def __call__(self, events: Events, item_ids: list[str], time: int) -> list[str]:
        """Return the items that are counted.

        Parameters
        ----------
        events : Events
            n accepted events in processing order.
        item_ids
            (n,)
        time : int
            At which they are.
        """
        params = self._params
        if self._bound is None or self._before is None:
            oldest = time - params.trending_lateness_ms
            return sample(events, item_ids, params.trending_sample, oldest)
        chosen = counted(self._before, events, self._bound, time)
        return [item_ids[n] for n in np.flatnonzero(chosen).tolist()]


def sample(events: Events, item_ids: list[str], most: int, oldest: int) -> list[str]:
    """Return the items of at most so many positive events that count, evenly spread.

    All of them are given the micro-batch's newest time: what is older than `oldest`, ms, is left
    out, or what an app held back for days would be popular now.
    """
    positive = np.flatnonzero((events.weight > 0) & events.counts & (events.time >= oldest))
    step = max(1, -(-len(positive) // max(1, most)))
    return [item_ids[n] for n in positive[::step].tolist()]
