"""First stage: raw records in, columns of events out, and a reason for each record refused.

Whatever the bytes are, a record has exactly one outcome: one or more events, or an entry of
`Decoded.rejected` or of `Decoded.ignored`. How records are read and what is expected of them is in
`state.events`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.keys import key_of
from models.params.events import EventPolicy
from models.users.past import ALWAYS
from operators.learn_users.micro_batch import MicroBatch
from state.events.check import Check
from state.events.codes import Ignored, Rejected
from state.events.fields import Event, Line
from state.events.identity import contents, identities
from state.events.rules import Columns

__all__ = ["Decode", "Decoded", "Rejected"]

_CACHED_ITEMS = 1_000_000


@dataclass(slots=True)
class Decoded:
    """Decoded records of one micro-batch: each has events, is rejected or ignored."""

    users: list[str]
    """Distinct user ids, in order of first appearance: what `events.user` points into."""
    events: Events
    """n events, in the order of the records."""
    single: bool
    """Whether no record has several events."""
    record: NDArray[np.intp]
    """(n,) record that each event is of: one may list several items."""
    item_ids: list[str]
    """Item id of each event, length n."""
    event_ids: list[str]
    """Event id, or the identity in hexadecimal where there is none, length n."""
    sources: list[Event]
    """The events as they were read, length n."""
    code: NDArray[np.intp]
    """(n,) number of the event type in the policy."""
    amount: NDArray[np.float64]
    """(n,) values; NaN for none."""
    rejected: list[Rejected]
    ignored: list[Ignored] = field(default_factory=list)
    line: NDArray[np.intp] | None = None
    """(n,) place of each event in the list of its record, from 0; None where no record lists."""
    without_item: int = 0
    """Lines of these records that have no item: they are no events."""


class Decode:
    """Decodes micro-batches of one worker by one policy.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._policy = policy
        self._item_keys: dict[str, int] = {}
        self._check = Check(policy, self._item_keys)
        self._weight = np.array([*policy.weights.values(), 0], np.float32)
        self._type_keys = np.array([*map(key_of, policy.weights), 0], np.uint64)
        hide = [policy.hide.get(name, ALWAYS) for name in policy.weights]
        self._hide = np.array([*hide, ALWAYS], np.int64)

    def __call__(self, batch: MicroBatch, now_ms: int) -> Decoded:
        """Decode one micro-batch; never raises because of what a record holds.

        Parameters
        ----------
        batch : MicroBatch
        now_ms : int
            Processing time.
        """
        checked = self._check(batch.values, batch.keys, batch.bucket, now_ms)
        columns, record = checked.columns, checked.record
        decoded = self._decoded(
            columns,
            checked.single,
            record,
            checked.rejected,
            np.asarray(batch.published, np.int64)[record],
            np.asarray(batch.coordinates, np.int64)[record],
        )
        decoded.ignored = checked.ignored
        if self._policy.items:
            decoded.line, decoded.without_item = _lines(columns.events, record)
        return decoded

    def _decoded(
        self,
        columns: Columns,
        single: bool,  # noqa: FBT001
        record: NDArray[np.intp],
        rejected: list[Rejected],
        published: NDArray[np.int64],
        coordinate: NDArray[np.int64],
    ) -> Decoded:
        users = {user: u for u, user in enumerate(columns.users)}
        item, code = self._items(columns), columns.code
        kind = self._type_keys[code]
        event_ids, identity = identities(
            columns.events, columns.event_ids, self._policy.identity, item, kind
        )
        # a price that happens to lie in the rating range must not be learnt as a rating
        rating = np.where(self._check.rules.is_rating[code], columns.amount, np.nan)
        weight = self._weights(code, rating)
        content, subject = contents(item, kind, columns.amount, self._weight[code], weight < 0)
        events = Events(
            user=np.fromiter(map(users.__getitem__, columns.user_ids), np.int32, len(item)),
            item=item,
            identity=identity,
            content=content,
            subject=subject,
            weight=weight,
            value=rating.astype(np.float32),
            time=columns.time,
            published=published,
            coordinate=coordinate,
            hide=self._hide[code],
            counts=np.ones(len(item), np.bool_),
            moves=np.ones(len(item), np.bool_),
        )
        return Decoded(
            list(users), events, single, record, columns.item_ids, event_ids, columns.events, code,
            columns.amount, rejected,
        )  # fmt: skip

    def _weights(self, code: NDArray[np.intp], rating: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the weights; a rating's share of it grows with the distance from the centre."""
        weight, policy = self._weight[code], self._policy
        if policy.rating_centre is None or not self._check.rules.is_rating[code].any():
            return weight
        share = (rating - policy.rating_centre) / (policy.highest_rating - policy.rating_centre)
        shared: NDArray[np.float32] = np.where(np.isnan(rating), weight, weight * share)
        return shared.astype(np.float32)

    def _items(self, columns: Columns) -> NDArray[np.uint64]:
        """Return the keys of items, whose ids are known to be good by now."""
        if not columns.new_items:
            return np.array(columns.item_keys, np.uint64)
        known = self._item_keys
        if len(known) > _CACHED_ITEMS:
            known.clear()
        ids = columns.item_ids
        known.update((item, key_of(item)) for item in set(ids) - known.keys())
        return np.array(list(map(known.__getitem__, ids)), np.uint64)


def _lines(events: list[Event], record: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Return the place of each event in its record's list, and how many lines are no events."""
    places = [(e.line, e.lines) if isinstance(e, Line) else (0, 1) for e in events]
    first = np.flatnonzero(np.diff(record, prepend=-1)).tolist()
    listed = sum(places[n][1] for n in first)
    return np.array([line for line, _ in places], np.intp), listed - len(events)
