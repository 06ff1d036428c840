"""Transactional ids with all their epochs before them.

Kafka numbers the uses of a transactional id by epochs of 15 bits. Where they come to an end it
gives the id another producer; and a job that is killed between that commit and its next checkpoint
commits the same transaction once more at its restart, by the producer of before, which the broker
refuses and the connector takes for an unknown failure: no restart from that checkpoint succeeds
(FLINK-40689). So every submission begins with ids that have most of their epochs left, and lasts
for `conf.epochs.CHECKPOINTS` checkpoints at least; `scripts/status` says when it comes near.
"""

from typing import Any

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from conf import epochs
from conf.schema import JobConfig
from jobs import tables
from jobs.preflight import client_properties, kafka_classes, warn


def generation(config: JobConfig) -> int:
    """Return the first generation of ids of which none has used up many epochs.

    What cannot be asked (no right to describe transactions, an old broker) is logged, and the job
    starts with the generation that it always had.
    """
    if config.kafka.delivery != "exactly-once":
        return 0
    try:
        used = _epochs(config)
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn("how many epochs the transactional ids have left", error)
        return 0
    found = 0
    while used.get(found, -1) >= epochs.USED:
        found += 1
    return found


def _epochs(config: JobConfig) -> dict[int, int]:
    """Return the newest epoch of any id, by generation."""
    jvm, admin_class = get_gateway().jvm, kafka_classes().clients.admin.AdminClient
    prefixes = tables.transactions(config)
    admin = admin_class.create(client_properties(config))
    try:
        mine = jvm.java.util.ArrayList()
        generations: dict[str, int] = {}
        for listing in admin.listTransactions().all().get():
            name = listing.transactionalId()
            number = _generation_of(name, prefixes)
            if number is not None:
                generations[name] = number
                mine.add(name)
        return _newest(admin, mine, generations) if generations else {}
    finally:
        admin.close()


def _newest(admin: Any, names: Any, generations: dict[str, int]) -> dict[int, int]:
    newest: dict[int, int] = {}
    described = admin.describeTransactions(names).all().get()
    for name in described:
        number = generations[name]
        newest[number] = max(newest.get(number, -1), described[name].producerEpoch())
    return newest


def _generation_of(name: str, prefixes: list[str]) -> int | None:
    """Return the generation that an id is of; None for somebody else's.

    >>> [_generation_of(name, ["job-ab-out"]) for name in ("job-ab-out-0-1", "job-ab-out-g12-0-1")]
    [0, 12]
    >>> _generation_of("job-ab-outer-0-1", ["job-ab-out"])
    """
    for prefix in prefixes:
        if name.startswith(f"{prefix}-"):
            first = name[len(prefix) + 1 :].partition("-")[0]
            if first.isdecimal():
                return 0
            if first[:1] == "g" and first[1:].isdecimal():
                return int(first[1:])
    return None
