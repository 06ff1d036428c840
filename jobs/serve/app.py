"""The service as an ASGI application: routes, limits, errors, the console's files."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.static_files import create_static_files_router

from jobs.serve.gate.admission import Access, Admission
from jobs.serve.gate.by_job import ByJob
from jobs.serve.gate.guard import Guard
from jobs.serve.lookups import Lookups
from jobs.serve.paths import Application, RawPaths
from jobs.serve.progress import Follower
from jobs.serve.routes.feedback import FeedbackRoutes
from jobs.serve.routes.items import ItemRoutes
from jobs.serve.routes.progress import ProgressRoutes
from jobs.serve.routes.service import Control, Events, Service, document, metrics
from jobs.serve.routes.users import Users
from jobs.serve.routes.wishes import wish
from jobs.serve.selection import Selection
from jobs.serve.served import Served

CONSOLE = Path(__file__).parent / "console"
_MOST_BYTES = 1 << 20
"""Largest body of a request."""
_ROUTES: list[Any] = [
    Users, ItemRoutes, Events, Control, Service, ProgressRoutes, FeedbackRoutes, document, metrics,
]  # fmt: skip
_LOG = logging.getLogger(__name__)


def service(
    jobs: Sequence[Served],
    *,
    host: str = "127.0.0.1",
    origins: Collection[str] = (),
    access: Access | None = None,
) -> RawPaths:
    """Return the service of one job or several; `host` and `origins` as of `Guard`.

    `/v1/…` is the first job's; of several each also has `/v1/NAME/…`.
    """
    allowed = access or Access()
    first = jobs[0]
    usual = Admission(_of(first, jobs, runs=True), allowed, first.name)
    several = jobs if len(jobs) > 1 else ()
    named = {job.name: Admission(_of(job, [job]), allowed, job.name) for job in several}
    return RawPaths(Guard(ByJob(usual, named), host, origins))


def reserved() -> set[str]:
    """Return the names that no job can have beside others: what comes after `/v1/`."""
    parts = dict.fromkeys(("replica", "sender", "selection", "follower", "jobs"))
    application = Litestar(_ROUTES, dependencies=_dependencies(parts))
    paths = (route.path.split("/") for route in application.routes)
    return {path[2] for path in paths if path[1] == "v1"}


def _of(job: Served, jobs: Sequence[Served], *, runs: bool = False) -> Application:
    """Return the application of a job; one of them runs the reading and sending of `jobs`."""
    selection = Selection(job.replica)
    parts = {
        "replica": job.replica,
        "sender": job.sender,
        "selection": selection,
        "follower": Follower(job.replica.config),
        "jobs": list(jobs),
    }
    served = list(_ROUTES)
    if CONSOLE.is_dir():
        files = create_static_files_router("/", [CONSOLE], html_mode=True, include_in_schema=False)
        served.append(files)
    application = Litestar(
        served,
        dependencies=_dependencies(parts),
        lifespan=[_running(jobs)] if runs else [],
        exception_handlers={
            HTTPException: _refused,
            RecursionError: _too_deep,
            Exception: _failed,
        },
        openapi_config=OpenAPIConfig(title="streamrec", version="1", render_plugins=[]),
        request_max_body_size=_MOST_BYTES,
    )
    return Lookups(application, selection)


def _dependencies(parts: Mapping[str, Any]) -> dict[str, Provide]:
    own = {name: _given(part) for name, part in parts.items()}
    return {"wished": Provide(wish, sync_to_thread=False), **own}


def _given(part: Any) -> Provide:
    """Return what gives a handler a part of the service."""
    return Provide(lambda: part, sync_to_thread=False)


def _running(jobs: Sequence[Served]) -> Any:
    """Return what starts readers and senders with the application, and ends them after it."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        parts = [part for job in jobs for part in (job.reader, job.sender)]
        for part in parts:
            part.start()
        try:
            yield
        finally:
            await asyncio.gather(*(asyncio.to_thread(part.stop) for part in parts))

    return lifespan


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    if isinstance(error.__cause__, NotADirectoryError):  # below a file of the console
        error = NotFoundException()
    status, detail = error.status_code, error.detail
    if error.extra:
        detail += ": " + "; ".join(map(_told, error.extra))
    body = {"error": {"code": status, "message": detail[:500]}}
    return Response(body, status_code=status, headers=error.headers)


def _too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[dict[str, Any]]:
    body = {"error": {"code": 400, "message": "body: expected JSON, got one nested too deeply"}}
    return Response(body, status_code=400)


def _told(one: Any) -> str:
    return f"{one['key']}: {one['message']}" if isinstance(one, dict) and "key" in one else str(one)


def _failed(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    _LOG.error("expected an answer, got an error", exc_info=error)
    body = {"error": {"code": 500, "message": "expected an answer, got an error; see the log"}}
    return Response(body, status_code=500)
