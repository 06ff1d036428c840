"""Several workers of learn-users in one process, the loop between them and learn-items.

Whoever learns an event is told by its user's bucket, as in the job. Between two rounds of the loop
nobody receives anything; then everybody is told everything, so that a round is the lag of the loop.
"""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from models.deep.shape import Shape
from models.keys import bucket_of
from models.params.events import EventPolicy
from models.params.ranking import MODELS
from models.params.rating import KalmanParams, RatingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from operators.learn_items.authority import ItemAuthority
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from operators.learn_users.stages import learn as learn_stage
from operators.learn_users.stages import publish
from operators.params import LearningParams
from state.topics import accepted as accepted_codec
from state.topics import chunks
from state.topics.window import Sums
from tests.builders import MINUTE, Record, learn_items, learn_users
from tests.harness import Clock

BUCKETS = 16
"""User buckets, and so the most workers."""
MICRO_BATCH = 64
"""Events that a worker learns at once."""
_EVENTS_A_SECOND = 4_000
_NEVER = 10**8
_KEYS = (7, 19)
_MODELS: dict[str, dict[str, Any]] = {
    **{name: {"objective": "ranking", "ranking": MODELS[name]} for name in MODELS},
    "rating": {"objective": "rating", "rating": KalmanParams()},
    "sgd": {"objective": "rating", "rating": RatingParams()},
}


def configured(model: str, **changes: Any) -> LearningParams:
    """Return learning as it is configured: `full`, `light`, `rating` (the filter) or `sgd`.

    What is told of items is told when a round says so, and whole.
    """
    settings: dict[str, Any] = {
        "users": UserParams(),
        "transitions": TransitionParams(),
        "ranking": MODELS["light"],
        "rating": KalmanParams(),
        "deep": Shape(dim=8, width=8),
        "item_limit": 100_000,
        "delta_ms": _NEVER,
        "delta_bytes_per_second": 1 << 30,
        "delta_bytes": 1 << 30,
    }
    return LearningParams(**settings | _MODELS[model] | changes)


class Memory(dict[str, bytes]):
    """State of the users of a bucket."""

    def put(self, entry: str, value: bytes) -> None:
        """Keep a value."""
        self[entry] = value


class Workers:
    """Workers that share the buckets of users, and the authoritative copy of two item buckets.

    Parameters
    ----------
    workers : int
    params : LearningParams
    patch : MonkeyPatch
        Takes the clock of learning.
    ranks : bool
        Whether events are ranked before they are learnt.
    items : bool
        Whether the authoritative copy receives what is told.

    Attributes
    ----------
    learn : list of Learn
        What each of them has learnt.
    catalogue : ItemAuthority
        The authoritative copy.
    """

    def __init__(
        self,
        workers: int,
        params: LearningParams,
        patch: pytest.MonkeyPatch,
        *,
        ranks: bool = True,
        items: bool = False,
    ) -> None:
        self._clock = Clock()
        for stage in (learn_stage, publish):
            patch.setattr(stage, "time", self._clock)
        users = learn_users(
            policy=EventPolicy(buckets=BUCKETS, rating_centre=None),
            learning=params,
            evaluation_share=float(ranks),
            evaluation_k=10,
            recommend=False,
            deep=False,
        )
        self._pipelines = [
            Pipeline(users, clock_ms=lambda: self._clock.now_ms) for _ in range(workers)
        ]
        self.learn = [pipeline.learn for pipeline in self._pipelines]
        self._memory = [Memory() for _ in range(BUCKETS)]
        self._told: list[list[bytes]] = [[] for _ in range(workers)]
        self.catalogue = ItemAuthority(learn_items(learning=params, keys=_KEYS))
        self._receives = items
        for bucket in range(len(_KEYS)):
            self.catalogue.open(bucket, [])

    def round(self, records: Sequence[Record], *, deaf: bool = False) -> Sums:
        """Learn records, each worker its own, and then receive what the others have learnt.

        Parameters
        ----------
        deaf : bool
            Nobody receives the others yet; the authoritative copy does.
        """
        batches = [
            (bucket, batch)
            for part in self._parts(records)
            for bucket, batch in enumerate(part)
            if batch
        ]
        last = {bucket % len(self.learn): n for n, (bucket, _) in enumerate(batches)}
        total = np.zeros(len(astuple(Sums())))
        sent: list[list[bytes]] = [[] for _ in self.learn]
        for n, (bucket, batch) in enumerate(batches):
            at = bucket % len(self.learn)
            if last[at] == n:  # the next to be told: all that was moved in this round
                self.learn[at]._publishing._published = -np.inf
            micro_batch = MicroBatch(
                bucket,
                [record.key for record in batch],
                [record.value for record in batch],
                [record.coordinate for record in batch],
                [record.published for record in batch],
            )
            outcome = self._pipelines[at].process(micro_batch, self._memory[bucket])
            sent[at] += outcome.accepted
            total += astuple(outcome.metrics)
        self._clock.now_ms += 1_000 * len(records) // _EVENTS_A_SECOND
        self._told = [[*held, *new] for held, new in zip(self._told, sent, strict=True)]
        for bucket in range(len(_KEYS) if self._receives else 0):
            self.catalogue.learn(bucket, [message for some in sent for message in some])
        if not deaf:
            self.receive()
        return Sums(*total.tolist())

    def receive(self) -> None:
        """Let every worker receive what the others told since the last time."""
        for teller, messages in enumerate(self._told):
            for message in map(accepted_codec.decode, messages):
                for hearer, learn in enumerate(self.learn):
                    if hearer != teller:
                        learn.apply(message)
            messages.clear()

    def publish(self) -> None:
        """Let every worker receive all authoritative rows."""
        for learn in self.learn:
            learn._applied.note(learn._step)  # what it does every few seconds
        self._clock.now_ms += MINUTE
        for bucket in range(len(_KEYS)):
            for name, value in self.catalogue.due(bucket, self._clock.now_ms):
                for learn in self.learn:
                    learn.receive(name, *chunks.decode_all(value))

    def _parts(self, records: Sequence[Record]) -> list[list[list[Record]]]:
        """Return the records of each step by bucket; each worker learns about a micro-batch."""
        steps = max(1, -(-len(records) // (MICRO_BATCH * len(self.learn))))
        length = -(-len(records) // steps)
        parts = []
        for begin in range(0, len(records), length):
            part: list[list[Record]] = [[] for _ in range(BUCKETS)]
            for record in records[begin : begin + length]:
                part[bucket_of((record.key or b"").decode(), BUCKETS)].append(record)
            parts.append(part)
        return parts
