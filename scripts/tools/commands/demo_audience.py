"""Simulated users before the job's lists: when they come, what they see, and the events of that."""

import itertools

import numpy as np

from scripts.tools.data.tastes import TasteParams, Tastes
from scripts.tools.kafka.produce import Event
from state.topics.recommendation import Recommendation

REST_SECONDS = 9.0
"""Mean time between two visits of a user."""
BROWSE = 0.3
"""Share of visits with a click in which the user looks for something else as well."""
_VISIT_MS = 600
_USER, _ITEM = "user-", "item-"


class Audience:
    """Users who come again and again, and see their newest list.

    Who finds nothing to click looks for something without the list, so that the next one is
    another. Nobody sees a list twice.

    Parameters
    ----------
    params
        Users, items and tastes.
    seed
        Also of event ids.

    Attributes
    ----------
    shown : int
        Impressions so far.
    """

    def __init__(self, params: TasteParams, seed: int) -> None:
        self._tastes = Tastes(params, seed)
        self._due = self._tastes.random.exponential(REST_SECONDS, params.users)
        self._lists: dict[int, Recommendation] = {}
        self._ids = (f"visit-{seed}-{n}" for n in itertools.count())
        self.shown = 0

    def arrive(self, now_ms: int) -> list[Event]:
        """Let everybody look for one item: nobody is known before."""
        return [self._found(user, now_ms) for user in range(len(self._due))]

    def take(self, one: Recommendation) -> None:
        """Take the newest list of a user."""
        if one.items and one.user_id.startswith(_USER):
            self._lists[int(one.user_id.removeprefix(_USER))] = one

    def come(self, seconds: float, now_ms: int) -> list[Event]:
        """Let all come who are due and have a list that they have not seen.

        Parameters
        ----------
        seconds
            Since the first could come.
        now_ms
            Wall clock: their visits have just ended.
        """
        there = [user for user in np.flatnonzero(self._due <= seconds).tolist()
                 if user in self._lists]  # fmt: skip
        self._due[there] = seconds + self._tastes.random.exponential(REST_SECONDS, len(there))
        begin = now_ms - _VISIT_MS
        return [event for user in there for event in self._visit(user, begin)]

    def _visit(self, user: int, begin: int) -> list[Event]:
        listed = self._lists.pop(user)
        name, events, clicks = f"{_USER}{user}", list[Event](), 0
        items = [int(item.item_id.removeprefix(_ITEM)) for item in listed.items]
        for place, number, clicked in self._tastes.look(user, items):
            item, seen = f"{_ITEM}{number}", begin + place
            events.append(
                Event(next(self._ids), name, item, "impression", seen,
                      rec_id=listed.rec_id, position=place + 1)
            )  # fmt: skip
            self.shown += 1
            if clicked:
                events.append(Event(next(self._ids), name, item, "click", seen + 100))
                clicks += 1
        if not clicks or self._tastes.random.random() < BROWSE:
            events.append(self._found(user, begin + _VISIT_MS - 1))
        return events

    def _found(self, user: int, at: int) -> Event:
        item = f"{_ITEM}{self._tastes.find(user)}"
        return Event(next(self._ids), f"{_USER}{user}", item, "view", at)
