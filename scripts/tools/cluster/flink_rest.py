"""Flink's REST interface, as far as the tools need it.

At an address there may be anything: a login page, another protocol, nobody. Each is one line.
"""

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import msgspec

from scripts.tools.cluster import loopback
from scripts.tools.cluster.rest_address import RestAddress
from scripts.tools.cluster.stack_trace import innermost_cause
from scripts.tools.console import ToolError

_LARGEST = 256 << 20
"""Bytes of an answer; Flink's are far below."""
_SHOWN = 60
"""Characters of what somebody else said."""
_START = "start the cluster, or name the address at which it is"
_OTHER = "name the address at which Flink is"
_SIGN_IN = (
    "name the address behind it, with a login if it takes one: https://USER:PASSWORD@HOST/PATH"
)


class FlinkUnreachableError(ToolError):
    """Nobody answers at the address, or somebody else does.

    Parameters
    ----------
    problem
        `address: expected X, got Y`.
    remedy
        What to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem


class _Job(msgspec.Struct):
    """What is read of a job."""

    jid: str
    name: str
    state: str
    start_time: int = msgspec.field(name="start-time")


class _Jobs(msgspec.Struct):
    jobs: list[_Job]


class _Slots(msgspec.Struct):
    free: int = msgspec.field(name="slots-available")
    all: int = msgspec.field(name="slots-total")


@dataclass(frozen=True)
class FlinkRest:
    """Client of one JobManager.

    Parameters
    ----------
    url
        For example `http://127.0.0.1:8081`, or `https://USER:PASSWORD@HOST/PATH`.
    """

    url: str = field(repr=False)  # it may hold a password

    def get(self, path: str, timeout_seconds: float = 5) -> Any:
        """Return the decoded answer to `GET path`.

        Raises
        ------
        FlinkUnreachableError
            If there is none, or it is not Flink's; also where a key is looked up that it lacks.
        """
        return self._call("GET", path, timeout_seconds)

    def post(self, path: str, body: Mapping[str, Any], timeout_seconds: float = 30) -> Any:
        """Return the decoded answer to `POST path` with a JSON body."""
        return self._call("POST", path, timeout_seconds, json.dumps(body).encode())

    def slots(self) -> tuple[int, int]:
        """Return (free, all) task slots; (0, 0) before a TaskManager has registered."""
        found = self._convert(self.get("/overview"), _Slots)
        return found.free, found.all

    def jobs(self) -> list[dict[str, Any]]:
        """Return `jid, name, state, start-time, …` of every job, newest first."""
        answer = self.get("/jobs/overview")
        self._convert(answer, _Jobs)
        return sorted(answer["jobs"], key=lambda job: -job["start-time"])

    def running(self) -> list[dict[str, Any]]:
        """Return the jobs that have not ended."""
        ended = ("FINISHED", "CANCELED", "FAILED")
        return [job for job in self.jobs() if job["state"] not in ended]

    def cancel(self, job: str) -> None:
        """Ask for the end of a job, without a savepoint."""
        self._call("PATCH", f"/jobs/{job}?mode=cancel", timeout_seconds=5)

    def root_cause(self, job: str) -> str | None:
        """Return the innermost `Caused by` of the newest failure of a job, if it ever failed."""
        history = (self.get(f"/jobs/{job}/exceptions")["exceptionHistory"] or {}).get("entries")
        return innermost_cause(history[0].get("stacktrace") or "") if history else None

    @cached_property
    def _address(self) -> RestAddress:
        return RestAddress.parse(self.url)

    def _call(
        self, method: str, path: str, timeout_seconds: float, body: bytes | None = None
    ) -> Any:
        request = urllib.request.Request(self._address.base + path, body, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self._address.authorization:
            request.add_header("Authorization", self._address.authorization)
        try:
            opener = loopback.opener(request.full_url, _SameHost())
            with opener.open(request, timeout=timeout_seconds) as response:
                answer, place = response.read(_LARGEST), response.geturl()
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(*_refusal(error, path))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._refuse(*_failure(error))
        if method == "PATCH" and not answer:
            return None
        return self._decoded(answer, place if place != request.full_url else "")

    def _decoded(self, answer: bytes, elsewhere: str) -> Any:
        """Return what an answer says; `elsewhere` is where a redirect led to."""
        led = f" at {urllib.parse.urlsplit(elsewhere)._replace(query='', fragment='').geturl()}"
        try:
            found = json.loads(
                answer, object_pairs_hook=lambda pairs: _Answer(pairs, self._lacking)
            )
        except (ValueError, RecursionError):
            page = answer.lstrip()[:1] == b"<"
            what = "a page of HTML" if page else f"no JSON, {_said(answer)}"
            self._refuse(f"{what}{led if elsewhere else ''}", _SIGN_IN if page else _OTHER)
        if not isinstance(found, dict):
            self._refuse(f"JSON that is not Flink's, {_said(answer)}", _OTHER)
        return found

    def _convert(self, answer: Any, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            self._refuse(f"JSON that is not Flink's ({error})", _OTHER)

    def _lacking(self, key: str) -> NoReturn:
        self._refuse(f"JSON that is not Flink's (no `{key}`)", _OTHER)

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        problem = f"{self._address.shown}: expected Flink's REST interface, got {what}"
        raise FlinkUnreachableError(problem, remedy) from None


class _Answer(dict[str, Any]):
    """A JSON object that says in words which key it lacks."""

    def __init__(self, pairs: Any, lacking: Callable[[str], NoReturn]) -> None:
        super().__init__(pairs)
        self._lacking = lacking

    def __missing__(self, key: str) -> NoReturn:
        self._lacking(key)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but show the login to nobody but the host that it is for."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request."""
        then = super().redirect_request(req, fp, code, msg, headers, newurl)
        if then is not None and not _is_same_host(req.full_url, newurl):
            then.remove_header("Authorization")
        return then


def _is_same_host(before: str, after: str) -> bool:
    old, new = urllib.parse.urlsplit(before), urllib.parse.urlsplit(after)
    return old.hostname == new.hostname and new.scheme in (old.scheme, "https")


def _refusal(error: urllib.error.HTTPError, path: str) -> tuple[str, str]:
    """Say what an HTTP status means, and what to do; Flink gives its reasons in JSON."""
    reason, remedy = error.reason, _SIGN_IN if error.code in (401, 403) else _OTHER
    try:
        reason = json.loads(error.read(_LARGEST))["errors"][0]
        remedy = "see the log of the JobManager"
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        pass  # no answer of Flink
    (reason,) = str(reason).strip().splitlines()[:1] or [""]
    reason = "".join(sign if sign.isprintable() else "?" for sign in reason)
    return f"HTTP {error.code} {reason} for {path.partition('?')[0]}", remedy


def _failure(error: Exception) -> tuple[str, str]:
    """Say why there is no answer, and what to do."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"a certificate that nobody here trusts ({cause.verify_message})", (
            "add its authority: SSL_CERT_FILE=FILE"
        )
    if isinstance(cause, ssl.SSLError):
        return "no TLS", "is it http:// there?"
    if isinstance(cause, ConnectionResetError | http.client.IncompleteRead):  # RemoteDisconnected
        return "a connection that was closed at once", f"is it https:// there? {_OTHER}"
    if isinstance(cause, http.client.HTTPException):
        return f"another protocol, {_said(str(cause).encode())}", _OTHER
    return f"no answer ({str(cause) or type(cause).__name__})", _START


def _said(answer: bytes) -> str:
    text = answer.decode(errors="replace").strip()
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
