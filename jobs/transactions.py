"""Transactional ids with all their epochs before them.

Kafka numbers the uses of a transactional id by epochs of 15 bits. Where they come to an end it
gives the id another producer; and a job that is killed between that commit and its next checkpoint
commits the same transaction once more at its restart, by the producer of before, which the broker
refuses and the connector takes for an unknown failure: no restart from that checkpoint succeeds
(FLINK-40689). So every submission begins with ids that have most of their epochs left, and lasts
for `conf.epochs.CHECKPOINTS` checkpoints at least; `scripts/status` says when it comes near.

The name of a generation is never the beginning of another one's: a sink that restarts aborts all
open transactions whose ids begin with a prefix of its own, and those of the job that took over from
it are not its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from conf import epochs
from conf.schema import JobConfig
from jobs import tables
from jobs.preflight import client_properties, kafka_classes, warn


def generation(config: JobConfig, *, take_over: bool) -> int:
    """Return the first generation of ids of which none has used up many epochs.

    What cannot be asked is logged, and the job starts: with ids above all that there are where it
    is not known how often they were used, and with those that it always had where not even that
    is known (no right to list transactions, an old broker).

    Parameters
    ----------
    take_over
        Take ids above all that there are: by the same ids this job and the one that still runs
        would end each other's transactions at every checkpoint.
    """
    if config.kafka.delivery != "exactly-once":
        return 0
    what = "how many epochs the transactional ids have left"
    try:
        with _admin(config) as admin:
            listed = _listed(admin, config)
            above = max(listed.values(), default=-1) + 1
            if take_over or not listed:
                return above
            try:
                used = _newest_epochs(admin, listed)
            except Py4JError as error:
                warn(what, error)
                return above
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn(what, error)
        return 0
    found = 0
    while used.get(found, -1) >= epochs.USED:
        found += 1
    return found


def end_others(config: JobConfig, chosen: int) -> None:
    """End what jobs before left open with ids of other generations than the chosen one.

    For a job that starts without state: nobody commits it any more, and until it times out it holds
    up all that is read as committed. The sinks themselves do it for their own generation.
    """
    if config.kafka.delivery != "exactly-once":
        return
    try:
        with _admin(config) as admin:
            listed = _listed(admin, config)
            left = _java_list(name for name, number in listed.items() if number != chosen)
            if len(left):
                admin.fenceProducers(left).all().get()
    except (Py4JError, TypeError) as error:
        warn("whether transactions of a job before are still open", error)


@contextmanager
def _admin(config: JobConfig) -> Iterator[Any]:
    admin = kafka_classes().clients.admin.AdminClient.create(client_properties(config))
    try:
        yield admin
    finally:
        admin.close()


def _listed(admin: Any, config: JobConfig) -> dict[str, int]:
    """Return all ids of this job that the broker knows, and their generations."""
    prefixes, found = tables.transactions(config), dict[str, int]()
    for listing in admin.listTransactions().all().get():
        name = listing.transactionalId()
        number = _generation_of(name, config.job.name, prefixes)
        if number is not None:
            found[name] = number
    return found


def _newest_epochs(admin: Any, listed: dict[str, int]) -> dict[int, int]:
    """Return the newest epoch of any id, by generation; an id that is gone is as good as new."""
    newest: dict[int, int] = {}
    described = admin.describeTransactions(_java_list(listed))
    for name, number in listed.items():
        try:
            epoch = described.description(name).get().producerEpoch()
        except Py4JError as error:
            if "TransactionalIdNotFound" in str(error):  # it has expired since it was listed
                continue
            raise
        newest[number] = max(newest.get(number, -1), epoch)
    return newest


def _java_list(names: Iterable[str]) -> Any:
    found = get_gateway().jvm.java.util.ArrayList()
    for name in names:
        found.add(name)
    return found


def _generation_of(name: str, job: str, prefixes: list[str]) -> int | None:
    """Return the generation that an id is of; None for somebody else's.

    >>> names = ("job-ab-out-0-1", "job-g12-ab-out-0-1")
    >>> [_generation_of(name, "job", ["job-ab-out"]) for name in names]
    [0, 12]
    >>> _generation_of("job-ab-outer-0-1", "job", ["job-ab-out"])
    """
    head, number = f"{job}-", 0
    first, _, rest = name.removeprefix(head).partition("-")
    if first[:1] == "g" and first[1:].isdecimal():
        name, number = f"{head}{rest}", int(first[1:])
    return number if any(name.startswith(f"{prefix}-") for prefix in prefixes) else None
