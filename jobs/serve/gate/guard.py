"""Who may ask: no page of another site, unless its origin is allowed, and no name that is not ours.

A browser sends requests of any page to any address, this machine's included. It names the page's
origin, and the host as the page has it: a name that was made to lead here (DNS rebinding) shows.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from jobs.serve.gate.refusal import refuse
from jobs.serve.paths import Application, shows

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OWN_SITES = ("none", "same-origin")
_HEADERS = frozenset((b"host", b"origin", b"sec-fetch-site"))
_METHODS = "GET, POST, OPTIONS"
_FORBIDDEN = 403


class Guard:
    """Passes requests on that may be answered, and allows other origins to read the answers.

    Parameters
    ----------
    application
    host
        Address that is listened at; one of this machine only is asked for by such a name.
    origins
        Origins of other sites whose pages may ask, as `https://shop.example`.
    """

    def __init__(self, application: Application, host: str, origins: Collection[str] = ()) -> None:
        self._application, self._origins = application, frozenset(origins)
        self._names = _LOOPBACK if host in _LOOPBACK else None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = {
            name: value.decode("latin-1") for name, value in scope["headers"] if name in _HEADERS
        }
        origin, host = headers.get(b"origin"), headers.get(b"host", "")
        if self._names is not None and _name(host) not in self._names:
            told = f"host: expected {' or '.join(self._names)}, got another name"
            await refuse(send, _FORBIDDEN, told)
            return
        own = origin is None or _place(origin) == host
        if not own and origin not in self._origins:
            told = "origin: expected this service's own page, got another site's"
            await refuse(send, _FORBIDDEN, told)
            return
        site = headers.get(b"sec-fetch-site", "none")
        if shows(scope["query_string"]) and origin is None and site not in _OWN_SITES:
            # an image or a link of any page asks without naming an origin
            told = "shown: expected this service's own page or a program, got another site's"
            await refuse(send, _FORBIDDEN, told)
            return
        if own:
            await self._application(scope, receive, send)
            return
        allowed = [(b"access-control-allow-origin", str(origin).encode()), (b"vary", b"origin")]
        if scope["method"] == "OPTIONS":
            allowed += [
                (b"access-control-allow-methods", _METHODS.encode()),
                (b"access-control-allow-headers", b"authorization, content-type"),
                (b"access-control-max-age", b"600"),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": allowed})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_allowed(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *allowed]}
            await send(message)

        await self._application(scope, receive, send_allowed)


def _name(host: str) -> str | None:
    """Return the name in a Host header, without the port.

    >>> _name("localhost:8090"), _name("[::1]:8090")
    ('localhost', '::1')
    """
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    """Return name and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
