"""First stage: raw records in, columns of events out, and a reason for each record refused.

Whatever the bytes are, a record has exactly one outcome: one or more events, or an entry of
`Decoded.rejected` or of `Decoded.ignored`. How records are read and what is expected of them is in
`operators.events`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.keys import key_of
from models.params.events import EventPolicy
from models.users.past import ALWAYS
from operators.events.codes import Ignored, Rejected
from operators.events.fields import INT64, Event, Line
from operators.events.identity import contents, identities
from operators.events.parse import Parse
from operators.events.rules import Columns, Rule, Rules
from operators.learn_users.micro_batch import MicroBatch

__all__ = ["Decode", "Decoded", "Rejected"]

_CACHED_ITEMS = 1_000_000
_parse_key = msgspec.json.Decoder(str).decode


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
        self._parse = Parse(policy)
        self._rules = Rules(policy)
        self._item_keys: dict[str, int] = {}
        self._codes = {name: code for code, name in enumerate(policy.weights)}
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
        events, records, rejected, ignored = self._parse(batch.values)
        keys = batch.keys
        record = np.arange(len(events)) if records is None else np.array(records, np.intp)
        if records is not None:
            keys = [keys[at] for at in records]
        columns = self._columns(events, keys, batch.bucket, now_ms + self._policy.max_future_ms)
        broken = self._rules.broken(columns) if events else {}
        if broken:
            refused = self._refused(broken, columns, record)
            rejected = sorted([*rejected, *refused.values()], key=lambda one: one.position)
            kept = np.array([at not in refused for at in record.tolist()], np.bool_)
            columns, record = _kept(columns, kept), record[kept]
        decoded = self._decoded(
            columns,
            records is None,
            record,
            rejected,
            np.asarray(batch.published, np.int64)[record],
            np.asarray(batch.coordinates, np.int64)[record],
        )
        decoded.ignored = ignored
        if self._policy.items:
            decoded.line, decoded.without_item = _lines(columns.events, record)
        return decoded

    def _columns(
        self,
        events: list[Event],
        keys: Sequence[bytes | None],
        bucket: int,
        latest: int,
    ) -> Columns:
        # one comprehension a column: four times as fast as turning tuples of rows around
        codes = self._codes
        keys = self._keys(keys)
        user_ids = [event.user_id for event in events]
        item_ids = [event.item_id for event in events]
        found = list(map(self._item_keys.get, item_ids))
        return Columns(
            events=events,
            user_ids=user_ids,
            users=dict.fromkeys(user_ids),
            item_ids=item_ids,
            item_keys=found,
            new_items=_new(item_ids, found),
            event_ids=[event.event_id for event in events],
            code=np.array([codes.get(event.event_type, -1) for event in events], np.intp),
            time=_times([event.timestamp for event in events]),
            amount=np.array([event.value for event in events], np.float64),  # None becomes NaN
            keys=list(keys),
            bucket=bucket,
            latest=latest,
        )

    def _keys(self, keys: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Return the record keys as user ids; None where there is none to compare."""
        if self._policy.keyed == "json":
            return [None if key is None else _id_of(key) for key in keys]
        return keys if self._policy.keyed else [None] * len(keys)

    def _refused(
        self, broken: dict[int, Rule], columns: Columns, record: NDArray[np.intp]
    ) -> dict[int, Rejected]:
        """Return why records are refused, by record: one event of several is enough."""
        refused: dict[int, Rejected] = {}
        for n in sorted(broken):
            rule, position = broken[n], int(record[n])
            if position not in refused:
                message = self._rules.message(rule, columns, n)
                refused[position] = Rejected(position, rule.code.value, rule.field, message)
        return refused

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
        rating = np.where(self._rules.is_rating[code], columns.amount, np.nan)
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
        return Decoded(list(users), events, single, record, columns.item_ids, event_ids, rejected)

    def _weights(self, code: NDArray[np.intp], rating: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the weights; a rating's share of it grows with the distance from the centre."""
        weight, policy = self._weight[code], self._policy
        if policy.rating_centre is None or not self._rules.is_rating[code].any():
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


def _id_of(key: bytes) -> bytes | None:
    """Return the id that a key holds as a JSON string.

    Whatever else it is, SQL took some text of it or the user id of the value for the bucket: then
    that is compared, as it is where there is no key.
    """
    try:
        return _parse_key(key).encode()
    except (msgspec.DecodeError, UnicodeError):
        return None


def _lines(events: list[Event], record: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Return the place of each event in its record's list, and how many lines are no events."""
    places = [(e.line, e.lines) if isinstance(e, Line) else (0, 1) for e in events]
    first = np.flatnonzero(np.diff(record, prepend=-1)).tolist()
    listed = sum(places[n][1] for n in first)
    return np.array([line for line, _ in places], np.intp), listed - len(events)


def _new(ids: list[str], keys: list[int | None]) -> set[str]:
    """Return the items that have no key yet."""
    if None not in keys:
        return set()
    return {item for item, key in zip(ids, keys, strict=True) if key is None}


def _times(stamps: list[int]) -> NDArray[np.int64]:
    """Return times; what does not fit into 64 bits is as far away as they reach."""
    try:
        return np.array(stamps, np.int64)
    except OverflowError:
        return np.array([max(-INT64, min(stamp, INT64 - 1)) for stamp in stamps], np.int64)


def _kept(columns: Columns, kept: NDArray[np.bool_]) -> Columns:
    chosen = np.flatnonzero(kept).tolist()
    user_ids = [columns.user_ids[n] for n in chosen]
    return Columns(
        events=[columns.events[n] for n in chosen],
        user_ids=user_ids,
        users=dict.fromkeys(user_ids),
        item_ids=[columns.item_ids[n] for n in chosen],
        item_keys=[columns.item_keys[n] for n in chosen],
        new_items=columns.new_items,
        event_ids=[columns.event_ids[n] for n in chosen],
        code=columns.code[kept],
        time=columns.time[kept],
        amount=columns.amount[kept],
        keys=[],
        bucket=columns.bucket,
        latest=columns.latest,
    )
