"""The baseline: what one would write instead of a Flink job, one Python process with River.

It runs in an environment of its own (conf/requirements/requirements-river.lock) and
therefore imports nothing of this project. It keeps nothing at a crash, so its figures are what
durability and scale are paid from.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from river.reco import BiasedMF

WINDOW_SECONDS = 0.5
"""Every user of such a stretch is recommended something, as of a micro-batch of the job."""
BLOCK = 64
"""Users whose scores are one product of matrices."""
END_SECONDS = 5.0
"""Silence of the broker that is taken for the end of the topic."""


READY = "ready"
"""Printed when an answer to the next event would come at once."""


class Event(msgspec.Struct):
    """The part of an event that is learnt; an event without a value counts as 1."""

    user_id: str
    item_id: str
    value: float | None = None

    @property
    def target(self) -> float:
        """Return what is predicted."""
        return 1.0 if self.value is None else self.value


def throughput(options: argparse.Namespace) -> dict[str, float]:
    """Predict, then learn, every event from the beginning of the topic, as fast as it goes.

    With `--recommend` every user of a window gets the ten best of all items, as JSON.

    Returns
    -------
    dict[str, float]
        Events, seconds and CPU seconds after the warm-up.
    """
    model = BiasedMF(n_factors=options.factors)
    decode = msgspec.json.Decoder(Event).decode
    begin = time.monotonic()
    measured = 0
    wall = cpu = None
    window, users = begin, set[str]()
    for messages in _batches(options):
        now = time.monotonic()
        if wall is None and now - begin >= options.warm_up:
            wall, cpu = now, time.process_time()
        for message in messages:
            event = decode(message.value() or b"")
            model.predict_one(event.user_id, event.item_id)
            model.learn_one(event.user_id, event.item_id, event.target)
            users.add(event.user_id)
        if time.monotonic() - window >= WINDOW_SECONDS:
            if options.recommend:
                recommend(model, list(users))
            window, users = time.monotonic(), set()
        if wall is not None and cpu is not None:
            measured += len(messages)
            spent = time.monotonic() - wall
            if spent >= options.seconds:
                used = time.process_time() - cpu
                return {"events": measured, "seconds": spent, "cpu_seconds": used}
    sys.exit("river: expected more events than the topic holds; raise --events")


def recommend(model: BiasedMF, users: list[Any]) -> list[bytes]:
    """Return the ten items of highest predicted rating for every user, of all known, as JSON."""
    items = list(model.i_latents)
    factors = np.array([model.i_latents[item] for item in items])
    biases = np.array([model.i_biases[item] for item in items])
    encoded = []
    for first in range(0, len(users), BLOCK):
        block = users[first : first + BLOCK]
        scores = np.array([model.u_latents[user] for user in block]) @ factors.T + biases
        best = np.argpartition(-scores, min(10, len(items) - 1), axis=1)[:, :10]
        for row, user in enumerate(block):
            order = best[row][np.argsort(-scores[row, best[row]])]
            base = model.global_mean.get() + model.u_biases[user]
            listed = [
                {"item_id": items[at], "score": float(base + scores[row, at])} for at in order
            ]
            encoded.append(msgspec.json.encode({"user_id": user, "items": listed}))
    return encoded


def latency(options: argparse.Namespace) -> None:
    """Learn what the topic holds, say `ready`, then answer every event with ten of some items.

    An answer has the field of a recommendation that freshness is measured from. Runs until it is
    ended.
    """
    model = BiasedMF(n_factors=options.factors)
    decode = msgspec.json.Decoder(Event).decode
    producer = Producer({"bootstrap.servers": options.brokers, "linger.ms": 0})
    known: dict[str, None] = {}
    items: list[str] = []
    draw = random.Random(1)  # noqa: S311  # candidates, not secrets
    consumer = _consumer(options)
    waiting = _events_held(consumer, options.topic)
    for message in _single(consumer):
        event = decode(message.value() or b"")
        model.learn_one(event.user_id, event.item_id, event.target)
        if event.item_id not in known:
            known[event.item_id] = None
            items.append(event.item_id)
        waiting -= 1
        if waiting >= 0:
            if waiting == 0:
                sys.stdout.write(f"{READY}\n")
                sys.stdout.flush()
            continue
        candidates = draw.sample(items, min(options.candidates, len(items)))
        scores = {item: model.predict_one(event.user_id, item) for item in candidates}
        best = sorted(candidates, key=scores.__getitem__, reverse=True)[:10]
        answer = {
            "user_id": event.user_id,
            "trigger": {"published_at": message.timestamp()[1]},
            "items": [{"item_id": item, "score": scores[item]} for item in best],
        }
        producer.produce(options.answers, msgspec.json.encode(answer), event.user_id)
        producer.poll(0)


def _batches(options: argparse.Namespace) -> Iterator[list[Message]]:
    consumer = _consumer(options)
    while messages := consumer.consume(2_000, END_SECONDS):
        yield messages


def _single(consumer: Consumer) -> Iterator[Message]:
    while True:
        message = consumer.poll(1.0)  # returns as soon as there is one
        if message is not None:
            yield message


def _consumer(options: argparse.Namespace) -> Consumer:
    consumer = Consumer({
        "bootstrap.servers": options.brokers,
        "group.id": "river",
        "enable.auto.commit": False,
    })  # fmt: skip
    partitions = consumer.list_topics(options.topic, timeout=10).topics[options.topic].partitions
    consumer.assign([TopicPartition(options.topic, number, 0) for number in partitions])
    return consumer


def _events_held(consumer: Consumer, topic: str) -> int:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = (consumer.get_watermark_offsets(TopicPartition(topic, number)) for number in partitions)
    return sum(high - low for low, high in ends)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmark_river", description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--factors", type=int, default=32)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("throughput", description=throughput.__doc__)
    command.add_argument("--warm-up", type=float, default=2.0, help="seconds that do not count")
    command.add_argument("--seconds", type=float, default=20.0, help="seconds that count")
    command.add_argument("--recommend", action="store_true", help="lists for users of a window")
    command.set_defaults(command=throughput)
    command = commands.add_parser("latency", description=latency.__doc__)
    command.add_argument("--answers", required=True, help="topic of the answers")
    command.add_argument("--candidates", type=int, default=100, help="items scored an event")
    command.set_defaults(command=latency)
    return parser


def main() -> None:
    """Read the command line, run, and print the figures as one JSON object."""
    options = _parser().parse_args()
    try:
        figures = options.command(options)
    except KafkaException as error:
        sys.exit(f"kafka: expected a broker at {options.brokers}, got {error.args[0].str()}")
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
