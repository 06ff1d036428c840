"""What is in a savepoint: its `_metadata`, read and written by Flink's own classes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyflink.java_gateway import get_gateway

from scripts.tools.cluster.manifest import METADATA
from scripts.tools.cluster.stack_trace import innermost_cause
from scripts.tools.console import ToolError

_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Operator:
    """One operator in a savepoint."""

    uid: str
    """Empty for what has none, which is without state."""
    name: str
    """As the job calls it, without the number that Flink puts behind it."""
    has_state: bool


def operators(folder: Path) -> list[Operator]:
    """Return the operators of a savepoint or checkpoint.

    Raises
    ------
    ToolError
        With exit status 2, if Flink cannot read it.
    """
    return [
        Operator(
            state.getOperatorUid().orElse(""),
            _NUMBER.sub("", state.getOperatorName().orElse("")),
            _has_state(state),
        )
        for state in _load(folder).getOperatorStates().toArray()
    ]


def rewrite(folder: Path, uids: Mapping[str, str], target: Path) -> None:
    """Write the metadata of a savepoint with other uids, into a file.

    What holds no state is left out: the id of one operator of before can be that of another one
    of now. References to files beside the metadata stay relative.

    Parameters
    ----------
    folder
        The savepoint, which stays as it is.
    uids
        New ones by old ones; others are kept.
    target
        File that is written.
    """
    jvm, metadata = get_gateway().jvm, _load(folder)
    checkpoint = jvm.org.apache.flink.runtime.checkpoint
    states = jvm.java.util.ArrayList()
    for state in metadata.getOperatorStates().toArray():
        uid = state.getOperatorUid().orElse("")
        if not _has_state(state):
            continue
        if uid in uids:
            moved = state.copyWithNewIDs(uids[uid], _id_of(uids[uid]))
            moved.setCoordinatorState(state.getCoordinatorState())  # is not copied
            states.add(moved)
        else:
            states.add(state)
    written = checkpoint.metadata.CheckpointMetadata(
        metadata.getCheckpointId(),
        states,
        metadata.getMasterStates(),
        metadata.getCheckpointProperties(),
    )
    stream = jvm.java.io.FileOutputStream(str(target))
    try:
        checkpoint.Checkpoints.storeCheckpointMetadata(written, stream)
    finally:
        stream.close()


def _load(folder: Path) -> Any:
    jvm = get_gateway().jvm
    try:
        stream = jvm.java.io.DataInputStream(jvm.java.io.FileInputStream(str(folder / METADATA)))
        try:
            loader = jvm.Thread.currentThread().getContextClassLoader()
            checkpoints = jvm.org.apache.flink.runtime.checkpoint.Checkpoints
            return checkpoints.loadCheckpointMetadata(stream, loader, str(folder))
        finally:
            stream.close()
    except Py4JJavaError as error:
        cause = innermost_cause(str(error))
        message = f"{folder}: expected a savepoint or checkpoint that Flink can read, got: {cause};"
        raise ToolError(f"{message} restore an older one", code=2) from None


def _id_of(uid: str) -> Any:
    """Return the id under which Flink looks for the state of an operator with this uid."""
    jvm = get_gateway().jvm
    hasher = jvm.org.apache.flink.streaming.api.graph.StreamGraphHasherV2
    return jvm.org.apache.flink.runtime.jobgraph.OperatorID(hasher.generateUserSpecifiedHash(uid))


def _has_state(state: Any) -> bool:
    return state.getCoordinatorState() is not None or any(
        part.hasState() for part in state.getStates().toArray()
    )
