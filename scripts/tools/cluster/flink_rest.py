"""Flink's REST interface, as far as the tools need it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.tools.cluster import loopback
from scripts.tools.cluster.stack_trace import innermost_cause


class FlinkUnreachableError(Exception):
    """Nobody answers at the address, or answers with an error."""


@dataclass(frozen=True)
class FlinkRest:
    """Client of one JobManager.

    Parameters
    ----------
    url
        For example `http://127.0.0.1:8081`.
    """

    url: str

    def get(self, path: str, timeout_seconds: float = 5) -> Any:
        """Return the decoded answer to `GET path`.

        Raises
        ------
        FlinkUnreachableError
            If there is none.
        """
        return self._call(urllib.request.Request(self.url + path), timeout_seconds)

    def post(self, path: str, body: Mapping[str, Any], timeout_seconds: float = 30) -> Any:
        """Return the decoded answer to `POST path` with a JSON body."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method="POST")
        return self._call(request, timeout_seconds)

    def slots(self) -> tuple[int, int]:
        """Return (free, all) task slots; (0, 0) before a TaskManager has registered."""
        overview = self.get("/overview")
        return overview["slots-available"], overview["slots-total"]

    def jobs(self) -> list[dict[str, Any]]:
        """Return `jid, name, state, start-time, …` of every job, newest first."""
        jobs: list[dict[str, Any]] = self.get("/jobs/overview")["jobs"]
        return sorted(jobs, key=lambda job: -job["start-time"])

    def running(self) -> list[dict[str, Any]]:
        """Return the jobs that have not ended."""
        ended = ("FINISHED", "CANCELED", "FAILED")
        return [job for job in self.jobs() if job["state"] not in ended]

    def cancel(self, job: str) -> None:
        """Ask for the end of a job, without a savepoint."""
        request = urllib.request.Request(f"{self.url}/jobs/{job}?mode=cancel", method="PATCH")
        self._call(request, timeout_seconds=5)

    def root_cause(self, job: str) -> str | None:
        """Return the innermost `Caused by` of the newest failure of a job, if it ever failed."""
        history = self.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        return innermost_cause(history[0]["stacktrace"]) if history else None

    def _call(self, request: urllib.request.Request, timeout_seconds: float) -> Any:
        try:
            opener = loopback.opener(request.full_url)
            with opener.open(request, timeout=timeout_seconds) as response:
                body = response.read()
        except (OSError, urllib.error.HTTPError) as error:
            message = f"{request.full_url}: expected an answer of Flink, got {error}"
            raise FlinkUnreachableError(message) from error
        return json.loads(body) if body else None
