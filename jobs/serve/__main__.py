"""Serve what a job's topics hold: lists, items, events in, the console at `/`."""

import argparse
import contextlib
import logging
import math
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from confluent_kafka import KafkaException

from conf.client import letter_key
from conf.client.librdkafka import LoginError
from conf.loader import ConfigError, load
from jobs.serve.app import reserved, service
from jobs.serve.gate.admission import Access
from jobs.serve.gate.keys import Key, KeyFileError, check_jobs, new, read
from jobs.serve.served import Served, served

PORT = 8090
_DIGITS = 5
_USUAL_PORTS = {"http": 80, "https": 443}
_MOST_CONNECTIONS = 5_000
"""Open at a time, streams included; further ones are answered with 503."""
_LOCAL = Path(__file__).parents[2] / "conf" / "local.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="scripts/serve", description=__doc__)
    add = parser.add_argument
    add(
        "--config",
        action="append",
        type=Path,
        metavar="FILE",
        dest="configs",
        help="of the job (default: conf/local.yaml); of several jobs, if repeated",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="one key of each configuration; can be repeated",
    )
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
    add("--keys", type=Path, metavar="FILE", help="API keys that are asked for (YAML)")
    add(
        "--rate",
        type=_rate,
        metavar="NUMBER",
        help="most requests a second of an address without a key (default: any number)",
    )
    add(
        "--proxy",
        metavar="ADDRESS",
        help="of a proxy before the service, whose X-Forwarded-For is believed",
    )
    add(
        "--new-key",
        metavar="NAME",
        help="print a new key, and its entry for the file of keys; do nothing else",
    )
    options = parser.parse_args(arguments)
    if options.new_key is not None:
        return _print_key(options.new_key)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        jobs = _jobs(options.configs or [_LOCAL], options.overrides, options.brokers)
        access = Access(_keys(options.keys, jobs), options.rate)
    except (ConfigError, LoginError, KeyFileError) as error:
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
        service(jobs, host=options.host, origins=options.origins, access=access),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=30,
        # what a client says of its address counts only where a proxy is known to say it
        proxy_headers=options.proxy is not None,
        forwarded_allow_ips=options.proxy,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listening])
    return 0


def _jobs(paths: Sequence[Path], overrides: Sequence[str], brokers: str | None) -> list[Served]:
    """Return the jobs of some configurations, which must have names of their own."""
    own = [f"kafka.bootstrap_servers={brokers}"] if brokers else []
    configs = [load(path, [*overrides, *own], optional=letter_key.NAMES) for path in paths]
    for path, config in zip(paths, configs, strict=True):
        rules = config.privacy
        if rules.recommendations_by == "pseudonym" and rules.pseudonym_key is None:
            line = f"{path}: privacy.pseudonym_key: expected a reference that can be read here"
            raise ConfigError([f"{line}, got none; recommendations name pseudonyms"])
    names = [config.job.name for config in configs]
    taken = reserved()
    for path, name in zip(paths, names, strict=True) if len(names) > 1 else ():
        if names.count(name) > 1 or name in taken:
            line = f"{path}: job.name: expected a name of its own beside other jobs, got {name}"
            raise ConfigError([line])
    try:
        return [served(config) for config in configs]
    except KafkaException as error:
        told = f"kafka.properties: expected settings of a client, got: {error.args[0].str()}"
        raise ConfigError([told]) from None


def _keys(path: Path | None, jobs: Sequence[Served]) -> dict[str, Key] | None:
    if path is None:
        return None
    keys = read(path)
    check_jobs(keys.values(), [job.name for job in jobs], path)
    return keys


def _print_key(name: str) -> int:
    key, entry = new(name)
    sys.stderr.write(f"key (shown once, kept nowhere): {key}\n")
    sys.stdout.write(entry)
    return 0


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text[:40]!r}")
    return rate


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
    if parts.scheme not in _USUAL_PORTS or not parts.hostname or parts.path not in ("", "/"):
        message = f"expected an origin as https://shop.example, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    port = f":{parts.port}" if parts.port not in (None, _USUAL_PORTS[parts.scheme]) else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


if __name__ == "__main__":
    sys.exit(main())
