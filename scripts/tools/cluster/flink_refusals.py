"""What Flink says where it cannot take state or start a job, and which key to set back."""

import re

from scripts.tools.cluster.stack_trace import innermost_cause

_OURS = re.compile(r"^\S.*: expected .+", re.MULTILINE)
"""How the job's own refusals read."""
_ABORTED = "org.apache.flink.client.program.ProgramAbortException"
"""From here on the client says no more than that the job's program has ended."""
_SKIP = re.compile(r"\s*(If you want to allow to skip this|This indicates that).*", re.DOTALL)
_ADVICE = (
    (
        re.compile(r"max(imum)? parallelism", re.IGNORECASE),
        "set users.buckets as it was: it is fixed for the life of the state",
    ),
    (
        re.compile(r"Cannot map (checkpoint|savepoint|state)"),
        "its state would be lost: set items.buckets, learning.objective and deep.enabled as they"
        " were, or restore with the version that saved it",
    ),
    (
        re.compile(r"StateMigrationException|serializer .*incompatible|must not be incompatible"),
        "its state is of another form: restore with the version that saved it, or set back what"
        " differs",
    ),
    (
        re.compile(r"FileNotFoundException|Cannot find (checkpoint|savepoint)"),
        "the state is gone, as checkpoints of a job that runs are after a while; choose another",
    ),
)


def explained(output: str) -> str:
    """Return the innermost cause in a client's output or a trace, and what to do about it.

    Flink's own advice to leave out state that cannot be restored is not passed on: the job would
    begin with nothing learnt where it has state.
    """
    said = output.partition(_ABORTED)[0]
    ours = [] if "Traceback" in said else _OURS.findall(said)
    cause = "\n".join(ours) or innermost_cause(said) or innermost_cause(output)
    cause = _SKIP.sub("", cause)
    advice = next((words for pattern, words in _ADVICE if pattern.search(cause)), None)
    return f"{cause.rstrip('.')}; {advice}" if advice else cause
