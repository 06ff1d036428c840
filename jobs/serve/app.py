"""The service as an ASGI application: routes, limits, errors, the console's files."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.static_files import create_static_files_router

from jobs.serve.guard import Guard
from jobs.serve.lookups import Lookups
from jobs.serve.paths import RawPaths
from jobs.serve.progress import Follower
from jobs.serve.reader import Reader
from jobs.serve.replica.replica import Replica
from jobs.serve.routes.items import ItemRoutes
from jobs.serve.routes.progress import ProgressRoutes
from jobs.serve.routes.service import Control, Events, Service, document, metrics
from jobs.serve.routes.users import Users
from jobs.serve.routes.wishes import wish
from jobs.serve.selection import Selection
from jobs.serve.sender import Sender

CONSOLE = Path(__file__).parent / "console"
_MOST_BYTES = 1 << 20
"""Largest body of a request."""
_LOG = logging.getLogger(__name__)


def service(
    replica: Replica,
    reader: Reader,
    sender: Sender,
    *,
    host: str = "127.0.0.1",
    origins: Collection[str] = (),
) -> Guard:
    """Return the service of one job; `host` and `origins` as of `Guard`."""
    selection = Selection(replica)
    parts = {"replica": replica, "reader": reader, "sender": sender, "selection": selection}
    parts["follower"] = Follower(replica.config)
    own = {name: _given(part) for name, part in parts.items()}
    served: list[Any] = [Users, ItemRoutes, Events, Control, Service, document, metrics]
    served.append(ProgressRoutes)
    if CONSOLE.is_dir():
        files = create_static_files_router("/", [CONSOLE], html_mode=True, include_in_schema=False)
        served.append(files)
    application = Litestar(
        served,
        dependencies={"wished": Provide(wish, sync_to_thread=False), **own},
        lifespan=[_running(reader, sender)],
        exception_handlers={
            HTTPException: _refused,
            RecursionError: _too_deep,
            Exception: _failed,
        },
        openapi_config=OpenAPIConfig(title="streamrec", version="1", render_plugins=[]),
        request_max_body_size=_MOST_BYTES,
    )
    return Guard(RawPaths(Lookups(application, selection)), host, origins)


def _given(part: Any) -> Provide:
    """Return what gives a handler a part of the service."""
    return Provide(lambda: part, sync_to_thread=False)


def _running(reader: Reader, sender: Sender) -> Any:
    """Return what starts reader and sender with the application, and ends them after it."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        reader.start()
        sender.start()
        try:
            yield
        finally:
            await asyncio.to_thread(reader.stop)
            await asyncio.to_thread(sender.stop)

    return lifespan


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
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
