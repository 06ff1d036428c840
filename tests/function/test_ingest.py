"""The pipe without a model counts every record and tells the other subtasks of every event."""

from models.columns import OFFSET_BITS
from operators.ingest import IngestFunction
from state import accepted
from tests.builders import Record, behaviour, in_order, learn_users
from tests.harness import Clock, UsersSubtask

LOG = in_order([*behaviour(40), Record(b"u", b"no event")])


def test_records_are_counted_and_events_are_told() -> None:
    pipe = UsersSubtask(learn_users(), Clock(), function=IngestFunction)
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
