"""The pipe without a model: what no job on these sources can be faster, or fresher, than."""

import time
from collections.abc import Iterator
from struct import pack
from typing import Any

import numpy as np
from pyflink.common import Row
from pyflink.datastream import RuntimeContext
from pyflink.datastream.functions import KeyedBroadcastProcessFunction

from models.columns.accepted import AcceptedBatch, ages
from operators.learn_users.function import learned_row
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.account import account, accounting_of
from operators.learn_users.stages.decode import Decode, Decoded
from operators.learn_users.stages.fates import Fates
from operators.learn_users.stages.records import (
    Outcome,
    last_events,
    recommendation_id,
    trigger_keys,
)
from operators.memory import Memory
from operators.params import LearnUsersParams
from state.events.identity import Identity
from state.keyed import descriptors
from state.topics import accepted as accepted_codec
from state.topics import lease
from state.topics.lease import TakenOverError
from state.topics.recommendation import Recommendation, Session, Trigger, encode

_TAKEN_OVER = (
    "lease: expected no job on the topics of this pipe without a model, got one that was submitted"
    " later; cancel this one, or give each topics of its own"
)
MODEL_VERSION = "pipe"
"""Stands in its recommendations where a model's version does."""


class IngestFunction(KeyedBroadcastProcessFunction):  # type: ignore[type-arg]
    """Decodes micro-batches, counts them, and tells the other subtasks of the events.

    Input, output, state
        Those of `LearnUsersFunction`; of users nothing is kept and nothing is learnt. What the
        others publish is opened and dropped. Where recommendations are wanted, every user of a
        micro-batch gets one at once, with an empty list.
    On failure
        Where a job renews its lease on the topics, it ends: its empty lists would replace the
        job's.
    """

    def __init__(self, params: LearnUsersParams) -> None:
        self._params = params

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle: the accounting is kept as in the job."""
        self._memory: Memory = runtime_context.get_map_state(descriptors.users())
        self._decode = Decode(self._params.policy)

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:  # noqa: ARG002
        """Take one micro-batch."""
        _, batch = MicroBatch(*value).split()
        now_ms = time.time_ns() // 1_000_000
        bucket, decoded = batch.bucket, self._decode(batch, now_ms)
        fates = Fates.of(decoded, np.zeros(len(decoded.events), np.uint8), len(batch))
        outcome = Outcome()
        if len(decoded.events):
            outcome.event_time = int(decoded.events.time.max())
            told = _told(bucket, decoded, self._params.learning.origin)
            outcome.accepted = [accepted_codec.encode(told)]
            if self._params.recommend:
                outcome.recommendations = _answers(decoded, now_ms, self._params.policy.identity)
                outcome.metrics.recommended = len(outcome.recommendations)
        outcome.accounting = account(
            accounting_of(bucket, self._memory),
            decoded,
            fates,
            np.asarray(batch.coordinates, np.int64),
            self._memory,
            now_ms,
            outcome.metrics,
        )
        yield learned_row(outcome, pack("<I", bucket))

    def process_broadcast_element(self, value: Row, ctx: Any) -> Iterator[Row]:  # noqa: ARG002
        """Take one record of the loop."""
        topic, key, content = value
        called = self._params.loop_topics.get(topic, topic)
        if called == "accepted_events":
            accepted_codec.decode(content or b"")
        elif called == "model_updates" and key == lease.KEY:
            raise TakenOverError(_TAKEN_OVER)
        return iter(())


def _answers(decoded: Decoded, now_ms: int, identity: Identity) -> list[tuple[bytes, bytes | None]]:
    """Return key and value of an empty list for every user, each for the user's last event."""
    triggers = last_events(decoded.events, decoded.event_ids, len(decoded.users))
    answers: list[tuple[bytes, bytes | None]] = []
    for user, event_id, key, time_ms, published in zip(
        triggers.users.tolist(),
        triggers.event_ids,
        trigger_keys(triggers, identity),
        triggers.time.tolist(),
        triggers.published.tolist(),
        strict=True,
    ):
        name = decoded.users[user]
        record = Recommendation(
            recommendation_id(name, key),
            name,
            now_ms,
            Trigger(event_id, time_ms, published),
            MODEL_VERSION,
            Session(time_ms, 1),  # nobody's session is known: each event begins one
            [],
        )
        answers.append(encode(record))
    return answers


def _told(bucket: int, decoded: Decoded, origin: int) -> AcceptedBatch:
    """Return the events as columns, and nothing that was learnt of them."""
    events, users = decoded.events, len(decoded.users)
    newest = int(events.time.max())
    keys, first, item = np.unique(events.item, return_index=True, return_inverse=True)
    return AcceptedBatch(
        origin=origin,
        bucket=bucket,
        keys=keys,
        ids=[decoded.item_ids[n] for n in first.tolist()],
        user=events.user,
        item=item.astype(np.int32),
        coordinate=events.coordinate,
        weight=events.weight,
        value=events.value[:0],
        time=newest,
        age=ages(events.time, newest),
        context=np.empty(0, np.int32),
        context_start=np.zeros(users + 1, np.int32),
        factors=np.empty((users, 0), np.float32),
        negatives=np.empty((len(events), 0), np.int32),
        gradients=np.empty((len(events), 0), np.float32),
    )
