"""Describe items to the service: titles, categories and more, from files into `catalog`."""

import argparse
from collections.abc import Iterable

from confluent_kafka import KafkaError, Message, Producer

from scripts.tools.console import ToolError, answer, progress, run
from scripts.tools.data import columns
from scripts.tools.data.descriptions import PERHAPS, ROLES, Described, check_encoding
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.target import add_arguments, target
from state.topics import catalog
from state.topics.catalog import Description

_WAIT_SECONDS = 60
_POLL_EVERY = 1_000


def main() -> int:
    """Read the command line, and send what the files say."""
    parser = argparse.ArgumentParser(prog="scripts/catalog", description=__doc__)
    columns.add_arguments(parser, required=True, roles=(*ROLES, *PERHAPS))
    parser.add_argument(
        "--encoding", default="utf-8", metavar="NAME", help="of text files (default: utf-8)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_arguments(parser)
    options = parser.parse_args()
    job = target(options)
    given = Described(options.data, options.columns, check_encoding(options.encoding))
    topic = job.config.kafka.topics.catalog
    sent = send(job.address, topic, given.rows())
    answer({"topic": topic, "items": sent}, as_json=options.json)
    return 0


def send(address: KafkaAddress, topic: str, items: Iterable[tuple[str, Description]]) -> int:
    """Send descriptions; return how many.

    Raises
    ------
    ToolError
        If the broker does not take one.
    """
    refused: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error.str())

    producer = Producer(address.client({"linger.ms": 50, "enable.idempotence": True}))
    sent = 0
    for item, described in items:
        key, value = catalog.encode(item, described)
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % _POLL_EVERY == 0:
            producer.poll(0)
    left = producer.flush(_WAIT_SECONDS)
    if refused or left:
        told = refused[0] if refused else f"no answer about {left:,} of them"
        message = f"topic {topic}: expected to send {sent:,} descriptions, got: {told}"
        raise ToolError(f"{message}; scripts/topics makes the topic")
    progress(f"{sent:,} items described in {topic}")
    return sent


if __name__ == "__main__":
    run(main)
