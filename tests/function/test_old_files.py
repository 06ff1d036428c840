"""A file of any age through the job's own pipeline: taken where it is shifted, else explained."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.tools.data.behaviour import Recorded, Source
from scripts.tools.data.event_times import Window, in_time
from scripts.tools.kafka.produce import encoded
from scripts.tools.kafka.refusals import examples
from tests.builders import NOW, Record, in_order, learn_users
from tests.harness import Clock, Learned, UsersSubtask

WINDOW = Window(946_684_800_000, 300_000, NOW)
AGES = ("1970-01-01", "1997-09-20", "2020-02-29", "2099-12-31")
UNITS = {"s": 1, "ms": 10**3, "us": 10**6}


class Letter:
    """A dead letter as the Kafka client gives it."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def headers(self) -> list[tuple[str, bytes]]:
        return [(name, text.encode()) for name, text in self._headers.items()]


def recorded(folder: Path, age: str, unit: str, *, rated: bool) -> Recorded:
    """Forty rows of four users over a year, in no order; stars are 1 to 5."""
    begin, rng = int(np.datetime64(age, "s").astype(np.int64)), np.random.default_rng(1)
    numbers = np.arange(40)
    columns = {
        "user_id": numbers % 4 + 1,
        "item_id": numbers + 1,
        "timestamp": (begin + rng.permutation(40) * 789_000) * UNITS[unit],
    }
    if rated:
        columns["rating"] = numbers % 5 + 1
    pq.write_table(pa.table(columns), folder / "plays.parquet")
    return Recorded(folder / "plays.parquet")


def learned(source: Source) -> Learned:
    records = [Record(key=k, value=v) for block in source.blocks() for k, v in encoded(block)]
    return UsersSubtask(learn_users(), Clock()).take(in_order(records))


@pytest.mark.parametrize(
    ("age", "unit", "rated"), list(itertools.product(AGES, UNITS, (False, True)))
)
def test_every_row_is_accepted(tmp_path: Path, age: str, unit: str, *, rated: bool) -> None:
    found = learned(in_time(recorded(tmp_path, age, unit, rated=rated), WINDOW, "auto"))
    assert found.codes == []
    assert found.accounting["partitions"]["0"]["accepted"] == 40


def test_of_rows_that_are_kept_the_dead_letters_tell_why_they_are_refused(tmp_path: Path) -> None:
    found = learned(in_time(recorded(tmp_path, "1997-09-20", "s", rated=True), WINDOW, "keep"))
    assert set(found.codes) == {"timestamp_past"}
    told = examples([Letter(headers) for *_, headers in found.dead_letters], ["timestamp_past"])
    assert told["timestamp_past"].startswith("timestamp: expected ms since 1970, 946684800000")


def test_one_star_is_a_dislike(tmp_path: Path) -> None:
    found = learned(in_time(recorded(tmp_path, "1997-09-20", "s", rated=True), WINDOW, "auto"))
    disliked = {str(number + 1) for number in range(40) if number % 5 + 1 == 1}
    listed = {item["item_id"] for one in found.recommendations.values() for item in one["items"]}
    assert not listed & disliked
