"""Several jobs in one service: `/v1/JOB/…` is what `/v1/…` is for one of them."""

import re
from collections.abc import Mapping
from typing import Any

from jobs.serve.paths import Application

_PATH = re.compile(r"/v1/([^/]+)(/.*)")


class ByJob:
    """Gives requests to the application of the job that their path names.

    Parameters
    ----------
    usual
        For paths that name no job, and for what is no request.
    named
        Applications by the name of their job.
    """

    def __init__(self, usual: Application, named: Mapping[str, Application]) -> None:
        self._usual, self._named = usual, dict(named)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on."""
        application = self._usual
        if self._named and scope["type"] == "http":
            found = _PATH.fullmatch(scope["path"])
            if found and found[1] in self._named:
                application, path = self._named[found[1]], f"/v1{found[2]}"
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await application(scope, receive, send)
