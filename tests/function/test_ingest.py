"""The pipe without a model counts every record, tells the others of every event, and answers."""

import json

import pytest

from conf.schema import JobConfig
from jobs import parameters
from models.columns.events import OFFSET_BITS
from operators.learn_users.ingest import MODEL_VERSION, IngestFunction
from state.topics import accepted, lease
from state.topics.lease import Lease, TakenOverError
from tests.builders import Record, behaviour, in_order, learn_users, learning
from tests.harness import Clock, UsersSubtask

LOG = in_order([*behaviour(40), Record(b"u", b"no event")])


def test_records_are_counted_and_events_are_told() -> None:
    pipe = UsersSubtask(learn_users(recommend=False), Clock(), function=IngestFunction)
    learned = pipe.take(LOG)
    (counts,) = learned.accounting["partitions"].values()
    assert counts["consumed"] == 41
    assert learned.metrics["accepted"] == 40
    assert learned.metrics["rejected"] == 1
    assert not learned.recommendations
    assert learned.accepted is not None
    told = accepted.decode(learned.accepted)
    offsets = told.coordinate & ((1 << OFFSET_BITS) - 1)
    assert offsets.tolist() == list(range(40))
    assert len(told.keys) == len(set(told.ids))
    pipe.receive(learned.accepted)


def test_records_without_an_event_are_counted_too() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
    learned = pipe.take(LOG[40:])
    assert (learned.accepted, learned.metrics["rejected"]) == (None, 1)


def test_every_user_of_a_micro_batch_is_answered_once_for_the_last_event() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
    learned = pipe.take(LOG)
    events = [json.loads(record.value or b"") for record in LOG[:40]]
    last = {event["user_id"]: number for number, event in enumerate(events)}
    assert len(last) < len(events)
    answers = learned.recommendations
    assert answers.keys() == last.keys()
    for user, number in last.items():
        event = events[number]
        assert answers[user]["trigger"] == {
            "event_id": event["event_id"],
            "timestamp": event["timestamp"],
            "published_at": LOG[number].published,
        }
        assert answers[user]["items"] == []
        assert answers[user]["model_version"] == MODEL_VERSION
    assert learned.metrics["recommended"] == len(last)


def test_an_answer_has_the_key_and_the_id_of_the_jobs() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
    job = UsersSubtask(learn_users(), Clock())
    bare, full = pipe.take(LOG).recommendations, job.take(LOG).recommendations
    assert {user: one["rec_id"] for user, one in bare.items()} == {
        user: one["rec_id"] for user, one in full.items()
    }
    assert all(one.keys() == full[user].keys() for user, one in bare.items())


def test_records_without_an_event_are_not_answered() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
    assert not pipe.take(LOG[40:]).recommendations


MINE, PIPES = (
    params.learning.origin
    for params in (parameters.learn_users(JobConfig()), parameters.ingest(JobConfig()))
)


def test_a_job_passes_over_what_a_pipe_without_a_model_tells_and_counts_it() -> None:
    """Its events have nothing that was learnt, and are counted nowhere else."""
    pipe = UsersSubtask(
        learn_users(learning=learning(origin=PIPES)), Clock(), function=IngestFunction
    )
    job = UsersSubtask(learn_users(learning=learning(origin=MINE)), Clock())
    told = pipe.take(LOG).accepted
    assert told is not None
    assert accepted.decode(told).origin == PIPES
    job.receive(told)
    assert job.function._inbox.skipped == {"accepted_events": 1}
    assert job.function._pipeline.learn.items.size == 0


def test_a_pipe_is_no_job_and_no_record_of_before() -> None:
    assert len({0, MINE, PIPES}) == 3


def test_a_pipe_ends_where_a_job_writes_its_topics() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
    pipe.hear_as("model_updates", b"items/0", b"rows")
    one = lease.encode(Lease(run="a", job="shop", epoch=1, at=1))
    with pytest.raises(TakenOverError, match="cancel this one"):
        pipe.hear_as("model_updates", lease.KEY, one)
