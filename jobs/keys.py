"""Keys that spread buckets evenly: one bucket in every key group.

Flink hashes keys to key groups; the integers 0…B-1 spread badly (the busiest of 8 subtasks gets
1.6 times its share). So every bucket is keyed by the first integer of its own key group.
"""

from pyflink.common import Types
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream import DataStream
from pyflink.datastream.data_stream import KeyedStream
from pyflink.java_gateway import get_gateway


def balanced_keys(buckets: int, max_parallelism: int) -> list[int]:
    """Return one integer key a bucket, so that the buckets' key groups are evenly spaced.

    Raises
    ------
    ValueError
        If there are more buckets than key groups.
    """
    if buckets > max_parallelism or max_parallelism % buckets:
        msg = (
            f"buckets: expected a divisor of the maximum parallelism {max_parallelism}, "
            f"got {buckets}; choose a power of two"
        )
        raise ValueError(msg)
    wanted = {bucket * (max_parallelism // buckets): bucket for bucket in range(buckets)}
    keys: dict[int, int] = {}
    candidate = 0
    while len(keys) < buckets:
        bucket = wanted.get(_key_group(candidate, max_parallelism))
        if bucket is not None:
            keys.setdefault(bucket, candidate)
        candidate += 1
    return [keys[bucket] for bucket in range(buckets)]


def _key_group(key: int, max_parallelism: int) -> int:
    jvm = get_gateway().jvm
    row = jvm.org.apache.flink.types.Row(1)
    row.setField(0, key)
    groups = jvm.org.apache.flink.runtime.state.KeyGroupRangeAssignment
    return int(groups.assignToKeyGroup(row, max_parallelism))


def keyed_by_first_field(stream: DataStream, value_type: TypeInformation) -> KeyedStream:
    """Key a stream of Row(INT key, value) in Java; the keyed stream's elements are the values.

    PyFlink's own `key_by` would add a Python operator, a full pass over the data.
    """
    selector = get_gateway().jvm.KeyByKeySelector()
    java = stream._j_data_stream.keyBy(selector, Types.ROW([Types.INT()]).get_java_type_info())  # noqa: SLF001
    return KeyedStream(java, value_type, stream)
