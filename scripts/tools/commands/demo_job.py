"""Whether the job of a demonstration still runs."""

from scripts.tools.cluster.flink_rest import FlinkUnreachableError
from scripts.tools.cluster.instance import Local
from scripts.tools.console import ToolError

MOST_FAILURES = 3
"""A job that fails as often does not recover; it would restart for ever."""
ENDED = ("FAILED", "CANCELED", "FINISHED", "SUSPENDED")


def insist_on_running(local: Local, job: str) -> None:
    """Raise ToolError, with the root cause, where a job has ended or fails again and again."""
    log = local.run_dir / "logs" / "taskmanager.log"
    try:
        rest = local.flink.rest
        state = rest.get(f"/jobs/{job}/status")["status"]
        if state == "RUNNING":
            return
        failures = rest.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        cause = rest.root_cause(job)
    except FlinkUnreachableError as error:
        raise ToolError(f"{error.problem}; see {log}") from None
    if state in ENDED or len(failures) >= MOST_FAILURES:
        message = f"job {job}: expected to run, got {state} after {len(failures)} failures"
        raise ToolError(f"{message}: {cause}; see {log}")
