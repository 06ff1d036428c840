"""Many lookups at once over connections that stay open, and how long each took."""

import asyncio
import itertools
import time
from collections.abc import Iterator

import numpy as np

_CONNECTIONS = 16


def latencies(port: int, users: int, requests: int, rate: float | None, seed: int) -> list[float]:
    """Look lists up; return the seconds that each took.

    Parameters
    ----------
    port
        Of a service on this machine.
    users
        Random ones of so many are asked for.
    requests
        How many lookups.
    rate
        Lookups a second, whether the ones before are answered or not: time counts from when one was
        due. None: as fast as the connections go.
    seed
        Of the choice of users.
    """
    chosen = np.random.default_rng(seed).integers(users, size=requests).tolist()
    return asyncio.run(_ask(port, [f"user-{user}" for user in chosen], rate))


async def _ask(port: int, users: list[str], rate: float | None) -> list[float]:
    numbers, found = itertools.count(), [0.0] * len(users)
    begin = time.perf_counter() + 0.1
    await asyncio.gather(
        *(_connection(port, users, numbers, begin, rate, found) for _ in range(_CONNECTIONS))
    )
    return found


async def _connection(
    port: int,
    users: list[str],
    numbers: Iterator[int],
    begin: float,
    rate: float | None,
    found: list[float],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        if number >= len(users):
            break
        due = time.perf_counter()
        if rate is not None:
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        path = f"/v1/users/{users[number]}/recommendations"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head.decode())
        found[number] = time.perf_counter() - due
    writer.close()
