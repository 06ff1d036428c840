"""Event types of a file, next to those that the job knows."""

from conf.parameters import event_policy
from conf.schema import JobConfig
from scripts.tools.console import ToolError, progress
from scripts.tools.data.accepted import ratings_outside, unknown_types
from scripts.tools.data.behaviour import Recorded


def check_types(data: Recorded) -> None:
    """Say which events of a file with types the job's defaults refuse.

    Raises
    ------
    ToolError
        If they know none of the types.
    """
    if data.types is None:  # all are views
        return
    policy = event_policy(JobConfig())
    unknown, outside = unknown_types(data, policy), ratings_outside(data, policy)
    if unknown is not None and unknown.is_grave:
        raise ToolError(f"{unknown.told}; rename them in the file")
    for problem in (unknown, outside):
        if problem is not None:
            progress(problem.told)
