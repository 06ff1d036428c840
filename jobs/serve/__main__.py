"""Serve what a job's topics hold: lists, items, events in, the console at `/`."""

import argparse
import contextlib
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from conf.client.librdkafka import LoginError
from conf.loader import ConfigError, load
from jobs.serve.app import service
from jobs.serve.reader import Reader
from jobs.serve.replica.replica import Replica
from jobs.serve.sender import Sender

PORT = 8090
_DIGITS = 5
_MOST_CONNECTIONS = 5_000
"""Open at a time, streams included; further ones are answered with 503."""
_LOCAL = Path(__file__).parents[2] / "conf" / "local.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="scripts/serve", description=__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=_LOCAL, help="of the job (default: conf/local.yaml)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    add("--brokers", metavar="HOST:PORT", help="instead of the configuration's")
    add("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    add("--port", type=_port, default=PORT, help=f"default: {PORT}")
    add(
        "--allow-origin",
        action="append",
        default=[],
        type=_origin,
        dest="origins",
        metavar="URL",
        help="origin of a site whose pages may ask, as https://shop.example; can be repeated",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        own = [f"kafka.bootstrap_servers={options.brokers}"] if options.brokers else []
        config = load(options.config, [*options.overrides, *own])
        replica = Replica(config)
        reader, sender = Reader(replica), Sender(config, replica.policy)
    except (ConfigError, LoginError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    try:
        listening = _listening(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        told = error.strerror or error
        sys.stderr.write(
            f"error: {where}: expected an address to listen at, got: {told}; choose another --host"
            " or --port\n"
        )
        return 2
    sys.stderr.write(f"serving http://{options.host}:{options.port}\n")
    settings = uvicorn.Config(
        service(replica, reader, sender, host=options.host, origins=options.origins),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=30,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listening])
    return 0


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before anything else is started."""
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server((host, port), family=family, backlog=2048)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and 0 < int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {text[:40]!r}")
    return int(text)


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        message = f"expected an origin as https://shop.example, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    sys.exit(main())
