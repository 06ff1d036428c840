"""Ids in paths, and headers of all answers.

Whatever is percent-encoded in a segment of a path stays one segment.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

Application = Any
ALLOWED_JOBS = "streamrec.jobs"
"""In a request's scope: names of the jobs that its key is for; missing or None: all."""
_PLAIN = "-._~!$'()*,;:@"
_WRITTEN = re.compile(f"[A-Za-z0-9/{re.escape(_PLAIN)}]*")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' https: data:; object-src 'none';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SENT = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]


class RawPaths:
    """Gives an application the path as it was sent: `a%2Fb` is one id and no two segments.

    Handlers turn their ids back by `id_of`. Every answer has the headers that keep a browser from
    running or loading anything but the service's own files.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on."""
        raw = scope.get("raw_path")
        if scope["type"] == "http" and raw:
            path = raw.split(b"?")[0].decode("latin-1")
            if not _WRITTEN.fullmatch(path):  # in one writing, whichever the client has chosen
                parts = (quote(unquote_to_bytes(part), safe=_PLAIN) for part in path.split("/"))
                path = "/".join(parts)
            scope = {**scope, "path": path}

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_SENT]}
            await send(message)

        await self._application(scope, receive, send_with_headers)


def shows(query: bytes) -> bool:
    """Return whether a query has the parameter `shown`.

    >>> shows(b"n=5&%73hown=true"), shows(b"search=shown")
    (True, False)
    """
    return b"shown" in unquote_to_bytes(query) and any(
        name == "shown" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    )


def id_of(segment: str) -> str:
    """Return the id in a segment of a path; what is no UTF-8 is no id that anybody has.

    >>> id_of("a%2Fb%20c")
    'a/b c'
    """
    return unquote_to_bytes(segment).decode("utf-8", "replace")
