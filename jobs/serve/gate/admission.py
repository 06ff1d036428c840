"""Whether a request may pass: by its key, the rights of that, and its rate."""

import math
import re
from collections.abc import Mapping
from typing import Any

from jobs.serve.gate.keys import Key, Right, hash_of
from jobs.serve.gate.rates import Rates
from jobs.serve.gate.refusal import refuse
from jobs.serve.paths import ALLOWED_JOBS, Application, shows

_OPEN = ("/v1/health", "/v1/ready", "/openapi.json")
_RIGHTS: Mapping[str, Right] = {
    "/v1/events": "events",
    "/v1/control": "operate",
    "/v1/windows": "operate",
    "/v1/feedback": "operate",
    "/v1/dead-letters": "operate",
    "/v1/progress": "operate",
    "/metrics": "operate",
}
_SLASHES = re.compile("/+")
_OF_ALL_JOBS = ("/metrics", "/v1/jobs")
_BEARER = b"bearer "
_UNKNOWN, _FORBIDDEN, _TOO_MANY = 401, 403, 429


class Access:
    """Who may do what, for all jobs of a service.

    Parameters
    ----------
    keys
        By hash; None: no key is asked for.
    rate
        Requests a second of each address that shows no key; None: any number.
    """

    def __init__(self, keys: Mapping[str, Key] | None = None, rate: float | None = None) -> None:
        self._keys, self._rate, self._rates = keys, rate, Rates()

    @property
    def is_open(self) -> bool:
        """Whether everything may pass."""
        return self._keys is None and self._rate is None

    def key(self, authorization: bytes) -> Key | None:
        """Return the key that a request shows."""
        if self._keys is None or authorization[: len(_BEARER)].lower() != _BEARER:
            return None
        return self._keys.get(hash_of(authorization[len(_BEARER) :].strip()))

    def objection(
        self, key: Key | None, job: str, path: str, query: bytes, address: str
    ) -> tuple[int, str, float] | None:
        """Return status, sentence and seconds to wait of a request that may not pass."""
        path = _SLASHES.sub("/", path).rstrip("/")
        rights = _rights(path, query)
        if not rights:
            return None
        name, rate = (f"key {key.name}", key.rate) if key else (address, self._rate)
        wait = self._rates.wait(name, rate) if rate is not None else 0
        if wait:
            return _TOO_MANY, f"rate: expected {rate:g} requests a second at most, got more", wait
        return None if self._keys is None else _refusal(key, job, path, rights)


def _refusal(
    key: Key | None, job: str, path: str, rights: list[Right]
) -> tuple[int, str, float] | None:
    """Return status and sentence where a key does not do; as `Access.objection`."""
    if key is None:
        return _UNKNOWN, "authorization: expected Bearer and a key of this service", 0
    missing = [right for right in rights if right not in key.rights]
    if missing:
        told = f"key {key.name}: expected the right {missing[0]}, got {', '.join(key.rights)}"
        return _FORBIDDEN, told, 0
    if key.jobs is not None and job not in key.jobs and path not in _OF_ALL_JOBS:
        mine = ", ".join(key.jobs)
        return _FORBIDDEN, f"key {key.name}: expected one of its jobs ({mine}), got {job}", 0
    return None


class Admission:
    """Passes on the requests of one job that access allows.

    Parameters
    ----------
    application, access
    job
        Its name.
    """

    def __init__(self, application: Application, access: Access, job: str) -> None:
        self._application, self._access, self._job = application, access, job

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on or refuse."""
        if scope["type"] == "http" and not self._access.is_open:
            key = self._access.key(dict(scope["headers"]).get(b"authorization", b""))
            address = (scope.get("client") or ("unknown",))[0]
            found = self._access.objection(
                key, self._job, scope["path"], scope["query_string"], address
            )
            if found:
                status, message, wait = found
                more = [(b"www-authenticate", b"Bearer")] if status == _UNKNOWN else []
                more += [(b"retry-after", b"%d" % math.ceil(wait))] if wait else []
                await refuse(send, status, message, more)
                return
            scope = {**scope, ALLOWED_JOBS: key.jobs if key else None}
        await self._application(scope, receive, send)


def _rights(path: str, query: bytes) -> list[Right]:
    """Return the rights that a request needs; none for the files of the console.

    >>> _rights("/v1/users/ann/recommendations", b"n=5"), _rights("/style.css", b"")
    (['read'], [])
    """
    if path in _OPEN or not (path.startswith("/v1/") or path == "/metrics"):
        return []
    needed: list[Right] = [_RIGHTS.get(path, "read")]
    if shows(query):  # its impressions are events
        needed.append("events")
    return needed
