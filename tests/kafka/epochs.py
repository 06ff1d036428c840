"""Uses up the epochs of a transactional id, by the one request of Kafka's protocol that does it."""

import socket
import struct
import time

from confluent_kafka import Producer

_INIT_PRODUCER_ID, _VERSION = 22, 1
_CONCURRENT = 51
_SECONDS = 90


def use_up(address: str, transactional_id: str, until: int) -> int:
    """Make an id's epoch at least so many; return it.

    The broker is alone, so it coordinates every id.
    """
    # asks for the coordinator, which makes the broker's own topic where there was none
    Producer(
        {"bootstrap.servers": address, "transactional.id": transactional_id}
    ).init_transactions(30)
    host, port = address.rsplit(":", 1)
    name = transactional_id.encode()
    body = struct.pack(f">h{len(name)}si", len(name), name, 60_000)
    head = struct.pack(">hhih", _INIT_PRODUCER_ID, _VERSION, 1, -1)
    request = struct.pack(">i", len(head) + len(body)) + head + body
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            connection.sendall(request)
            (size,) = struct.unpack(">i", _read(connection, 4))
            _, _, error, _, epoch = struct.unpack(">iihqh", _read(connection, size))
            assert error in (0, _CONCURRENT), error
            if error == 0 and epoch >= until:
                return int(epoch)
    message = f"{transactional_id}: expected the epoch {until} within {_SECONDS} s, got none"
    raise TimeoutError(message)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        assert part, "the broker closed the connection"
        data += part
    return data
