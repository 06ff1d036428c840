"""Last stage: adds up what became of the records of a bucket, for ever."""

import numpy as np
from numpy.typing import NDArray

from operators.learn_users.stages.decode import Decoded
from operators.learn_users.stages.fates import Fates
from operators.memory import Memory
from state.events.codes import WITHOUT_ITEM, Code
from state.keyed.accounting import Accounting
from state.keyed.descriptors import ACCOUNTING_ENTRY
from state.keyed.lineage import Lineage
from state.topics.window import Sums


def _lines(decoded: Decoded, fates: Fates) -> dict[str, int]:
    """Return lines that were not taken of records that were, or of those with another fate."""
    return fates.lines | ({WITHOUT_ITEM: decoded.without_item} if decoded.without_item else {})


def accounting_of(bucket: int, memory: Memory, lineage: Lineage | None = None) -> Accounting:
    """Return the accounting of a bucket as it is in its memory; a new one where there is none."""
    stored = memory.get(ACCOUNTING_ENTRY)
    if stored is None:
        return Accounting.start(bucket, lineage.id if lineage else "")
    return Accounting.from_state(stored)


def account(  # noqa: PLR0913  # a micro-batch and who tells of it
    accounting: Accounting,
    decoded: Decoded,
    fates: Fates,
    coordinates: NDArray[np.int64],
    memory: Memory,
    now_ms: int,
    metrics: Sums,
    lineage: Lineage | None = None,
    epoch: int = 0,
) -> list[tuple[bytes, bytes]]:
    """Count the records of a micro-batch; return key and value of the accounting's records.

    Parameters
    ----------
    accounting : Accounting
        Of the bucket.
    coordinates : int64[N]
        Of all records.
    memory : Memory
        The bucket's; keeps the accounting.
    metrics : Sums
        The counts are noted there as well.
    lineage : Lineage, optional
        Named in the records: those of a former job on the topics must not be added to them.
    epoch : int
        Of the submission's lease: which job is the former one.
    """
    codes = [record.code for record in decoded.rejected] + [Code.ID_CONFLICT] * fates.conflicts
    accounting.count(
        coordinates,
        coordinates[fates.accepted],
        coordinates[fates.duplicate],
        coordinates[fates.late],
        codes,
        _lines(decoded, fates),
        coordinates[[one.position for one in decoded.ignored]],
        [one.kind for one in decoded.ignored],
    )
    accounting.generated_at = now_ms
    memory.put(ACCOUNTING_ENTRY, accounting.to_state())
    metrics.consumed = len(coordinates)
    metrics.accepted = len(fates.accepted)
    metrics.duplicates = len(fates.duplicate)
    metrics.late = len(fates.late)
    metrics.rejected = len(codes)
    return accounting.records(lineage, epoch)
