"""Save the state of the running job, with a manifest of checksums beside it."""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.tools.cluster import manifest, submissions
from scripts.tools.cluster.flink_rest import FlinkUnreachableError
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import RUN_DIR
from scripts.tools.cluster.stack_trace import innermost_cause
from scripts.tools.console import ToolError, answer, progress, run

_TIMEOUT_SECONDS = 300


def take(
    local: Local,
    job: str | None = None,
    *,
    stop: bool = False,
    report: Callable[[str], None] = progress,
) -> Path:
    """Take a savepoint, and end the job with it if asked.

    Parameters
    ----------
    job
        Flink's id; None where one job runs.
    stop
        End the job: nothing is read or written after what the savepoint holds.

    Returns
    -------
    Path
        Folder of the savepoint, `manifest.json` in it.

    Raises
    ------
    ToolError
        If no such job runs, or Flink cannot finish the savepoint.
    """
    begin = time.monotonic()
    try:
        running = _running_job(local, job)
        report(f"saving the state of job {running['jid']}")
        folder = _trigger(local, running["jid"], stop=stop)
    except FlinkUnreachableError as error:
        raise ToolError(f"{error.problem}; see scripts/local status") from error
    about: dict[str, Any] = {"job": running["jid"], "name": running["name"], "taken_at": _now()}
    if before := submissions.of_job(local.run_dir, running["jid"]):
        about[submissions.ENTRY] = asdict(before)
    manifest.write(folder, about)
    report(f"saved after {time.monotonic() - begin:.1f} s")
    return folder


def _running_job(local: Local, job: str | None) -> dict[str, str]:
    running = [each for each in local.flink.rest.running() if job in (None, each["jid"])]
    if len(running) != 1:
        ids = ", ".join(each["jid"] for each in running) or "none"
        message = f"{local.rest_url}: expected one running job, got {ids};"
        raise ToolError(f"{message} {'name it with --job' if running else 'submit it first'}")
    return running[0]


def _trigger(local: Local, job: str, *, stop: bool) -> Path:
    rest = local.flink.rest
    folder = {"targetDirectory": local.flink.savepoints.as_uri()}
    # without "drain", which would fire every timer once
    request = rest.post(f"/jobs/{job}/{'stop' if stop else 'savepoints'}", folder)["request-id"]
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        seen = rest.get(f"/jobs/{job}/savepoints/{request}")
        if seen["status"]["id"] == "COMPLETED":
            failure = seen["operation"].get("failure-cause")
            if failure is not None:
                cause = innermost_cause(failure["stack-trace"])
                raise ToolError(f"job {job}: expected a savepoint, got: {cause}; try again")
            location = seen["operation"]["location"].removeprefix("file:")  # as it is, not quoted
            return Path("/" + location.lstrip("/")).resolve()
        time.sleep(0.2)
    message = f"job {job}: expected a savepoint within {_TIMEOUT_SECONDS} s, got none; see"
    raise ToolError(f"{message} {local.run_dir / 'logs'}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> None:
    """Read the command line and save."""
    parser = argparse.ArgumentParser(prog="scripts/savepoint", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="end the job with the savepoint")
    parser.add_argument("--job", metavar="ID", help="which job, where several run")
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="folder of the local cluster (default: .run)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    folder = take(Local.load(arguments.run_dir), arguments.job, stop=arguments.stop)
    answer(
        {"savepoint": str(folder), "manifest": str(folder / manifest.NAME)}, as_json=arguments.json
    )


if __name__ == "__main__":
    run(main)
