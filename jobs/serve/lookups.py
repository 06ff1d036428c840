"""The lookup of a user's list, past the framework: most requests are of this kind.

Whatever is not plain about a request goes the usual way, and gets the usual answers.
"""

import re
from typing import Any

import msgspec

from jobs.serve.paths import Application, id_of
from jobs.serve.selection import Selection
from jobs.serve.wish import Wish

_PATH = re.compile(rb"/v1/users/([^/?]+)/recommendations")
_QUERY = re.compile(rb"(?:n=([1-9][0-9]{0,2}))?(&?include=items)?")
"""Nothing, or what most ask for."""
_encode = msgspec.json.Encoder().encode


class Lookups:
    """Answers lookups itself, and passes all else on.

    Parameters
    ----------
    application
    selection
    """

    def __init__(self, application: Application, selection: Selection) -> None:
        self._application, self._selection = application, selection

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer or pass on."""
        found = None
        if scope["type"] == "http" and scope["method"] == "GET":
            found = _PATH.fullmatch(scope.get("raw_path") or b"")
        query = _QUERY.fullmatch(scope["query_string"]) if found else None
        if found is None or query is None or query[0].startswith(b"&"):
            await self._application(scope, receive, send)
            return
        wish = Wish(n=int(query[1] or 10), described=bool(query[2]))
        user = id_of(found[1].decode("latin-1"))
        body = _encode(self._selection.for_user(user, wish))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
