"""Learn: the online model of this worker, and the columns that other workers receive."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays.lesson import Lesson
from models.columns.accepted import AcceptedBatch, ages
from models.columns.events import Events
from models.columns.items import ItemRows
from models.columns.learnt import Learnt
from models.columns.users import Users
from models.deep.serving import Deep
from models.index.marks import NEVER_RECEIVED
from models.items.admission import Admission
from models.items.applied import Applied, touch
from models.items.damping import Share
from models.items.dictionary import Dictionary
from models.users.history import gaps_of
from models.weights.knobs import TunedKnobs
from models.weights.popularity import PopularityWeights
from operators.learn_users.stages.publish import Publishing
from operators.learning import empty_items, name_new, objective
from operators.params import LearningParams
from state.codec.sealed import ForeignError
from state.topics.chunks import About
from state.topics.forgotten import Forgotten

_NOTE_SECONDS = 3.0
_PATIENCE = 120.0
"""Seconds without news of old items after which a worker waits for no further ones."""
_TOLD = 4_096
"""Messages to forget users that are remembered."""
_NEWS = 0.01
"""Share of all items that must be received to be news: some are always new, and come later."""
_FOREIGN = (
    "loop: expected records of this job, got one of another job or input topic; give each its own"
    " accepted_events and model_updates"
)


@dataclass(slots=True)
class LearnedBatch:
    """Results of learning a micro-batch, and the message to other workers."""

    learnt: Learnt
    rows: NDArray[np.int32]
    """(n,) replica row of every event's item, -1 where there is none: it taught nothing yet, or the
    replica is full."""
    message: AcceptedBatch | None
    """None where nothing was learnt."""


class Learn:
    """Learns this subtask's events at once and everyone else's from the loop."""

    def __init__(self, params: LearningParams) -> None:
        self.items = empty_items(params)
        self.popularity = PopularityWeights()
        self.knobs = TunedKnobs(params.ranking)
        self.objective = objective(params, self.popularity, self.knobs)
        self.deep = Deep(params.deep, params.refit)
        self._applied = Applied()
        self._dictionary = Dictionary()
        self._rating = params.objective == "rating"
        self._origin = params.origin
        self._admission = Admission(params.admission)
        self._step, self._noted = 0, 0.0
        self._totals: dict[int, int] = {}
        # keys of each chunk, and those that left it last
        self._chunks: dict[bytes, tuple[NDArray[np.uint64], NDArray[np.uint64]]] = {}
        self._item_buckets = params.item_buckets
        self._publishing = Publishing(params)
        self.share = Share()
        self._holds_back = params.differences > 0 and params.variances == 0
        self._restored, self._waiting, self._received_all = False, False, 0.0
        self._news, self._received_then = time.monotonic(), 0
        self._sequences = params.sequences is not None
        self._forgotten: list[int] = []

    def __call__(
        self,
        bucket: int,
        users: Users,
        events: Events,
        item_ids: list[str],
        scored: NDArray[np.bool_],
    ) -> LearnedBatch:
        """Learn accepted events in order; `users` is updated in place.

        Parameters
        ----------
        item_ids
            (n,) the id behind every event's item key.
        scored
            (n,) events that are ranked before they are learnt.
        """
        teaches = self._teaches(events)
        learned = _chosen(teaches)
        rows = self._admitted(events.item, teaches, events.counts)
        name_new(self.items, rows, item_ids)
        if not self._rating and self._recalls:
            self._recall(users)
        told = teaches & (rows >= 0)
        fresh = np.zeros(len(rows), np.bool_)
        # what nobody is told of is not claimed, or rows would contain what no other copy ever can
        claimed = _chosen(told)
        fresh[claimed] = self._applied.claim(bucket, events.coordinate[claimed])
        # learnt already, as after a failure the loop may be ahead: to rank it would be no test
        scored = scored & (fresh | ~told)
        positive = (events.weight > 0) & events.counts
        gap = gaps_of(events.user, positive, events.time, users.last_positive)
        deep = self.deep.learn(self.items, users, events, rows, gap, scored)
        lesson = Lesson(events, rows, bucket, fresh, scored, gap, deep)
        learnt = self.objective.learn(self.items, users, lesson)
        self._touch(rows[learned], learnt.context, learnt.negatives.reshape(-1))
        return LearnedBatch(learnt, rows, self._message(bucket, users, events, rows, learnt, told))

    def apply(self, message: AcceptedBatch) -> None:
        """Learn another subtask's events; those known already are recognised and left out."""
        self._check_origin(message.origin)
        fresh = self._applied.claim(message.bucket, message.coordinate)
        if not fresh.any():
            return
        self._begin(message.keys)
        rows = self.items.rows(message.keys)
        name_new(self.items, rows[: len(message.ids)], message.ids)
        self.objective.apply(self.items, message, rows, fresh=fresh)
        self.share.note(received=np.count_nonzero(fresh))
        self._touch(rows)

    def forget(self, told: Forgotten) -> None:
        """Forget the sequences of users; what is told again is recognised."""
        self._check_origin(told.origin)
        if told.name not in self._forgotten:
            self._forgotten = [*self._forgotten, told.name][-_TOLD:]
            self.items.neighbours.forget(np.array(told.users, np.uint64))

    def receive(self, name: bytes, rows: ItemRows, about: About) -> None:
        """Take authoritative rows, by the name of their record, where they know more.

        What this worker has not changed since the rows' last event is theirs to say; what it has
        stays, until the next publication contains that as well.
        """
        self._check_origin(about.origin)
        self.items.make_room(rows.keys, known=True)
        waits = self.waits
        mark = self.items.mark_of(about.marks, self._applied.highest)
        self._totals[_bucket_in(name) % self._item_buckets] = about.total
        step = self._applied.step_within(about.marks) if about.marks.size else -1
        as_it_is = waits and self._holds_back
        self.items.replace(rows, only_newer=True, step=step, mark=mark, as_it_is=as_it_is)
        self._forget_left(name, rows.keys)
        if waits and self._received > self._received_then + _NEWS * sum(self._totals.values()):
            self._news, self._received_then = time.monotonic(), self._received

    def _forget_left(self, name: bytes, keys: NDArray[np.uint64]) -> None:
        """Treat items that left a chunk as never received: they were given up, and do not count.

        Where a chunk has parts, they may only have moved to another one, and stay as they are. When
        it is split first, that is seen at its next publication.
        """
        before, left = self._chunks.get(name, (keys, keys[:0]))
        self._chunks[name] = keys, np.setdiff1d(before, keys)
        if name.count(b"/") == 1 and name + b"/1" not in self._chunks:
            rows = self.items.rows(np.setdiff1d(left, keys), register=False)
            self.items.arrays.mark[rows[rows >= 0]] = NEVER_RECEIVED

    def restored(self) -> None:
        """Note that this worker goes on with users of before, and has no items yet.

        What it learns of a row that it has not received yet starts from a new one: random factors,
        and the longest steps there are. Published, it would be added to a mature row, by each
        worker once. So nothing is published of such rows until all were received, and what was
        learnt of them
        before is forgotten where they come. An item that is new waits as well, and loses nothing.

        Ratings keep theirs: in the information form a difference is a measurement with its own
        variance, in which what is not known of the row counts as noise. Gradients of single events
        are told with them, and are small (`light`, `sgd`).
        """
        if not self._restored:
            self._restored = self._waiting = True

    def _recall(self, users: Users) -> None:
        """Give the items of histories rows, that are still to come.

        They are what the next events follow: without a row they would be left out of what is told,
        and no copy would ever count these transitions.
        """
        free = self.items.limit - self.items.size
        if free <= 0:  # a full table gives up others for events, not for what is long gone
            return
        held = np.arange(users.history.shape[1]) < users.history_length[:, None]
        keys = np.unique(users.history[held])
        self.items.rows(keys[self.items.rows(keys, register=False) < 0][:free])

    @property
    def waits(self) -> bool:
        """Return whether rows are still to come that others know."""
        if self._waiting:
            known = len(self._totals) == self._item_buckets and self.complete >= 1
            self._waiting = not known and time.monotonic() - self._news < _PATIENCE
            self._received_all = time.monotonic()
        return self._waiting

    @property
    def _recalls(self) -> bool:
        """Whether items of histories may have no row yet: the newest are published a bit later."""
        if not self._restored:
            return False
        return self.waits or time.monotonic() - self._received_all < _PATIENCE

    @property
    def complete(self) -> float:
        """Share of the authoritative items that were received; 1 where there are none."""
        total = sum(self._totals.values())
        return min(1.0, self._received / total) if total else 1.0

    @property
    def _received(self) -> int:
        """Rows of which an authoritative one was received."""
        return int(np.count_nonzero(self.items.arrays.mark[: self.items.size]))

    def _admitted(
        self, keys: NDArray[np.uint64], teaches: NDArray[np.bool_], counts: NDArray[np.bool_]
    ) -> NDArray[np.int32]:
        """Return the rows of items; new ones get one if something is learnt of them."""
        if self._admission.open and teaches.all():
            self._begin(keys)
            return self.items.rows(keys)
        wanted = self.items.rows(keys, register=False) >= 0
        new = np.flatnonzero(teaches & ~wanted & (counts | self._admission.open))
        new = new[self._admission(keys[new])]
        wanted[new] = True
        self._begin(keys[wanted])
        self.items.rows(keys[new])
        return self.items.rows(keys, register=False)

    def _check_origin(self, origin: int) -> None:
        """Refuse what another job has learnt; a record of before version 2 says nothing."""
        if self._origin and origin not in (0, self._origin):
            raise ForeignError(_FOREIGN)

    def _begin(self, keys: NDArray[np.uint64]) -> None:
        """Make room before rows are looked up, and note what is applied up to here."""
        self.items.make_room(keys)
        now = time.monotonic()
        if now - self._noted >= _NOTE_SECONDS:
            self._noted = now
            self._applied.note(self._step)
        self._step += 1

    def _touch(self, *rows: NDArray[np.int32]) -> None:
        for some in rows:
            if len(some):
                touch(self.items.arrays.touched, some, self._step)

    def _teaches(self, events: Events) -> NDArray[np.bool_]:
        """Return which events teach about their item, or are remembered as context of others."""
        if self._rating:
            return ~np.isnan(events.value) & events.counts
        return events.weight > 0

    def _message(
        self,
        bucket: int,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
        learnt: Learnt,
        told: NDArray[np.bool_],
    ) -> AcceptedBatch | None:
        if not told.any():
            return None
        chosen = _chosen(told)
        item_rows, negatives = rows[chosen], learnt.negatives[chosen]
        weight = events.weight[chosen]
        received = self._holds_back and self.waits
        self.share.note(own=len(item_rows))
        moved, differences = self._publishing(self.items, received=received, ratio=self.share.ratio)
        self._touch(moved)  # a chunk from before this message must not overwrite what it says
        known, index = self._dictionary(
            self.items.size, item_rows, learnt.context, negatives.reshape(-1), moved
        )
        named = int(index[0].max()) + 1
        time = events.time[chosen]
        newest = int(time.max())
        return AcceptedBatch(
            origin=self._origin,
            bucket=bucket,
            keys=self.items.keys[known],
            ids=[self.items.ids[row] or "" for row in known[:named].tolist()],
            user=learnt.user[chosen],
            item=index[0],
            coordinate=events.coordinate[chosen],
            weight=np.where(events.counts[chosen], weight, np.float32(0)),
            value=events.value[chosen if self._rating else slice(0)],
            time=newest,
            age=ages(time, newest),
            context=index[1],
            context_start=learnt.context_start,
            factors=learnt.factors,
            negatives=index[2].reshape(negatives.shape),
            gradients=learnt.gradients[chosen],
            moved=index[3],
            differences=differences,
            user_keys=users.key if self._sequences else users.key[:0],
            position=learnt.position[chosen if self._sequences else slice(0)],
        )


def _chosen(mask: NDArray[np.bool_]) -> slice | NDArray[np.bool_]:
    """Return what chooses the same rows as a mask; all of them without a copy."""
    return slice(None) if mask.all() else mask


def _bucket_in(name: bytes) -> int:
    """Return the number in the key of a chunk, `items/N` or `items/N/part`; 0 without one."""
    number = name.split(b"/")[1:2]
    return int(number[0]) if number and number[0].isdigit() else 0
