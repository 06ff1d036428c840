"""Keys of windows are places in a ring: compaction forgets old windows, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from pyflink.table import EnvironmentSettings, TableEnvironment

from state.topics import window

pytestmark = pytest.mark.flink

SECOND, HOUR = 1_000, 3_600_000
BEGIN = datetime(2025, 11, 30, tzinfo=UTC)
BEGIN_MS = int(BEGIN.timestamp() * 1000)


@pytest.fixture(scope="module")
def sql() -> TableEnvironment:
    found = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    found.get_config().set("table.local-time-zone", "UTC")
    found.get_config().set("parallelism.default", "1")
    return found


def keys(sql: TableEnvironment, length: int, retention: int, starts: list[int]) -> list[str]:
    times = [
        (BEGIN + timedelta(milliseconds=start)).isoformat(" ", "milliseconds")[:23]
        for start in starts
    ]
    rows = ", ".join(f"({n}, TIMESTAMP '{time}')" for n, time in enumerate(times))
    key = window.key(length, retention)
    statement = f"SELECT n, {key} FROM (VALUES {rows}) AS w(n, window_start)"
    with sql.execute_sql(statement).collect() as found:
        return [text for _, text in sorted((row[0], row[1]) for row in found)]


@pytest.mark.parametrize(
    ("length", "retention"),
    [(10 * SECOND, HOUR), (1_500, HOUR), (7 * SECOND, HOUR), (HOUR, HOUR), (HOUR, 90 * 60_000)],
)
def test_a_key_comes_back_when_its_window_is_old(
    sql: TableEnvironment, length: int, retention: int
) -> None:
    places = -(-retention // length)
    begin = -(BEGIN_MS % length) % length  # of the first window of that day
    first = begin + BEGIN_MS
    numbers = sorted({0, 1, 2, 3, places // 2, places - 1})
    found = keys(sql, length, retention, [begin + n * length for n in numbers])
    assert found == [f"window/{(first // length + n) % places}" for n in numbers]
    again = keys(sql, length, retention, [begin + (n + places) * length for n in numbers])
    assert again == found
