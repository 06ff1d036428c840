"""Answers to requests that go no further."""

from collections.abc import Sequence
from typing import Any

import msgspec


async def refuse(
    send: Any, status: int, message: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send an error in the form that all routes have."""
    body = msgspec.json.encode({"error": {"code": status, "message": message}})
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})
