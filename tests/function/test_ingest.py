"""The pipe without a model counts every record, tells the others of every event, and answers."""

import json

from models.columns import OFFSET_BITS
from operators.ingest import MODEL_VERSION, IngestFunction
from state import accepted
from tests.builders import Record, behaviour, in_order, learn_users
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
    pipe.hear(learned.accepted)


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
