"""Events in, and how the service and the job are."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from litestar import Controller, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from jobs.serve import answers
from jobs.serve.document import with_errors
from jobs.serve.paths import ALLOWED_JOBS
from jobs.serve.routes.parts import JobsPart, ReplicaPart, SenderPart
from jobs.serve.routes.wishes import Form, Number
from jobs.serve.sender import UnreachableError
from jobs.serve.served import Served

_MOST_EVENTS = 1_000
ANSWER_SECONDS, _LOOK_SECONDS = 12.0, 0.1
"""That a command is waited for, and between two looks."""


class Events(Controller):
    """Route of events."""

    path = "/v1/events"
    tags = ("events",)

    @post(status_code=200)
    async def events(
        self,
        data: JSONBody[dict[str, Any] | list[dict[str, Any]]],
        sender: SenderPart,
        form: Form = "job",
    ) -> answers.Outcomes:
        """Send one event or several; each answer says whether it keeps the job's rules."""
        given = data if isinstance(data, list) else [data]
        if len(given) > _MOST_EVENTS:
            detail = f"events: expected {_MOST_EVENTS:,} at most, got {len(given):,}; send parts"
            raise HTTPException(status_code=413, detail=detail)
        try:
            return answers.Outcomes(await sender.send(given, plain=form == "plain"))
        except UnreachableError as error:
            detail = f"kafka: expected the broker to take the events, got {error}; send them again"
            raise HTTPException(status_code=503, detail=detail) from None


class Control(Controller):
    """Route of commands."""

    path = "/v1/control"
    tags = ("service",)

    @post(status_code=200)
    async def command(
        self, data: JSONBody[answers.Wanted], sender: SenderPart, replica: ReplicaPart
    ) -> answers.Commanded:
        """Send a command to the job, and return its answer."""
        try:
            name = await sender.command(data)
        except UnreachableError as error:
            detail = f"kafka: expected the broker to take the command, got {error}; send it again"
            raise HTTPException(status_code=503, detail=detail) from None
        for _ in range(round(ANSWER_SECONDS / _LOOK_SECONDS)):
            if found := replica.reports.answer(name):
                return answers.Commanded(name, found.ok, found.message)
            await asyncio.sleep(_LOOK_SECONDS)
        detail = f"job: expected an answer within {ANSWER_SECONDS:g} s, got none; does it run?"
        raise HTTPException(status_code=504, detail=detail)


class Service(Controller):
    """Routes about the service and the job."""

    path = "/v1"
    tags = ("service",)

    @get("/info", sync_to_thread=False)
    def info(self, replica: ReplicaPart) -> answers.Info:
        """Return what is served."""
        return answers.Info(
            job=replica.config.job.name,
            event_types=dict(replica.policy.weights),
            users=len(replica.lists),
            items=len(replica.items),
            catalog=len(replica.catalog),
        )

    @get("/health", sync_to_thread=False)
    def health(self) -> answers.Health:
        """Return that the service runs."""
        return answers.Health(alive=True)

    @get("/ready", sync_to_thread=False)
    def ready(self, jobs: JobsPart) -> Response[answers.Ready]:
        """Return whether all that was there at the start has been read; 503 until then."""
        found = readiness(jobs)
        return Response(found, status_code=200 if found.ready else 503)

    @get("/jobs", sync_to_thread=False)
    def jobs(self, request: Request[Any, Any, Any], jobs: JobsPart) -> answers.Jobs:
        """Return the names of all jobs that the key is for."""
        return answers.Jobs([job.name for job in _allowed(request, jobs)])

    @get("/windows", sync_to_thread=False)
    def windows(self, replica: ReplicaPart, n: Number = 60) -> answers.Windows:
        """Return the job's newest windows of quality, and where fine-tuning stands."""
        return answers.Windows(replica.reports.windows(n), replica.reports.fine_tune)

    @get("/dead-letters", sync_to_thread=False)
    def letters(self, replica: ReplicaPart, n: Number = 50) -> answers.Letters:
        """Return the newest dead letters, their bytes as text."""
        return answers.Letters(replica.reports.letters(n), dict(replica.reports.by_code))


@get("/openapi.json", sync_to_thread=False, include_in_schema=False)
def document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the description of the API (OpenAPI 3.1)."""
    return with_errors(request.app.openapi_schema.to_schema())


@get("/metrics", media_type=MediaType.TEXT, sync_to_thread=False, include_in_schema=False)
def metrics(request: Request[Any, Any, Any], jobs: JobsPart) -> str:
    """Return figures for Prometheus."""
    registry = CollectorRegistry()
    for name, what, value in _FIGURES:
        gauge = Gauge(name, what, ["job"], registry=registry)
        for job in _allowed(request, jobs):
            gauge.labels(job.name).set(value(job))
    return str(generate_latest(registry), "utf-8")


def _allowed(request: Request[Any, Any, Any], jobs: Sequence[Served]) -> list[Served]:
    """Return the jobs that the key of a request is for."""
    names: Any = request.scope.get(ALLOWED_JOBS)
    return [job for job in jobs if names is None or job.name in names]


_FIGURES: tuple[tuple[str, str, Callable[[Served], float]], ...] = (
    ("streamrec_serve_lists", "Users with a list", lambda job: len(job.replica.lists)),
    ("streamrec_serve_items", "Items known to the job", lambda job: len(job.replica.items)),
    ("streamrec_serve_catalog_items", "Items described", lambda job: len(job.replica.catalog)),
    ("streamrec_serve_ready", "Whether everything was read", lambda job: readiness([job]).ready),
    (
        "streamrec_serve_impressions_lost",
        "Impressions that no broker took, or that keep no rule of the job",
        lambda job: job.sender.lost,
    ),
    (
        "streamrec_serve_skipped_records",
        "Records that cannot be read",
        lambda job: job.replica.skipped,
    ),
)


def readiness(jobs: Sequence[Served]) -> answers.Ready:
    """Return whether everything has been read, and the brokers are there."""
    several = len(jobs) > 1
    topics = {
        f"{job.name}/{name}" if several else name: answers.Read(min(one.read, one.end), one.end)
        for job in jobs
        for name, one in job.reader.progress.items()
    }
    if not all(job.reader.caught_up for job in jobs):
        return answers.Ready(False, "reading what the topics hold", topics)
    if not all(job.reader.connected for job in jobs):
        message = "no broker answers: lists are as old as their age says"
        return answers.Ready(False, message, topics)
    return answers.Ready(True, "everything has been read", topics)
