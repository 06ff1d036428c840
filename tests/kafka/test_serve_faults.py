"""The lookup service while its broker dies, its topics are made anew, and clients are slow."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from conf.schema import JobConfig
from scripts.tools.cluster import processes
from scripts.tools.cluster.broker import NAME, Broker
from scripts.tools.cluster.instance import Ports
from scripts.tools.cluster.paths import ROOT
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.topics import create
from state.topics import recommendation
from state.topics.recommendation import Item, Recommendation, Session, Trigger
from tests.kafka.test_serve import Client, stream

pytestmark = pytest.mark.kafka

VIEW = {"user_id": "ann", "item_id": "pot", "event_type": "view"}
LIST = "/v1/users/ann/recommendations?n=1"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    ports = Ports.from_base(0)
    found = Broker(run_dir=folder, port=ports.kafka, controller_port=ports.controller)
    found.start()
    until(found.answers, "a broker")
    create(JobConfig(), KafkaAddress(found.address))
    yield found
    processes.end_all(folder)


class Program:
    """`scripts/serve` of a broker, at an address that stays."""

    def __init__(self, broker: Broker, log: Path) -> None:
        self._broker, self._log = broker, log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.client = Client(self.port)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "jobs.serve", "--port", str(self.port),
                   "--brokers", self._broker.address]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self._log.open("a") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=out, env=environment)
        until(self.client.is_ready, "a service that is ready")

    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def status(self, path: str, body: Any = None) -> int:
        try:
            self.client.get(path) if body is None else self.client.post(path, body)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    @property
    def said(self) -> str:
        return self._log.read_text()


@pytest.fixture
def service(broker: Broker, tmp_path: Path) -> Iterator[Program]:
    found = Program(broker, tmp_path / "serve.log")
    yield found
    found.process.terminate()
    assert found.process.wait(20) in (0, -15)
    assert "Traceback" not in found.said


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> float:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, f"expected {what} within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - begin


def give(broker: Broker, user: str, *items: str) -> None:
    """Write a user's list, as the job does."""
    now = int(time.time() * 1000)
    made = Recommendation(f"r-{items[0]}", user, now, Trigger("e", now, now), "m", Session(now, 1),
                          [Item(item, 1.0, "deep", None) for item in items])  # fmt: skip
    write(broker, "recommendations", *recommendation.encode(made))


def write(broker: Broker, topic: str, *record: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(topic, key=record[0], value=record[1])
    assert producer.flush(10) == 0


def events_in(broker: Broker) -> Counter[str]:
    """How often each event id is in the input."""
    settings = {
        "bootstrap.servers": broker.address,
        "group.id": "test",
        "enable.partition.eof": True,
    }
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    consumer.subscribe(["user_behavior"])
    found: Counter[str] = Counter()
    ends = 0
    while ends < JobConfig().kafka.partitions:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            ends += 1
        else:
            found[json.loads(message.value() or b"")["event_id"]] += 1
    consumer.close()
    return found


def first(service: Program) -> str | None:
    items = service.client.get(LIST)["items"]
    return items[0]["item_id"] if items else None


def test_a_broker_that_dies_and_comes_back(broker: Broker, service: Program) -> None:
    give(broker, "ann", "tea")
    until(lambda: first(service) == "tea", "the list")
    assert service.status("/v1/events", {**VIEW, "event_id": "before"}) == 200
    with stream(service.client, "ann") as lists:
        assert next(lists)["rec_id"] == "r-tea"
        processes.end(broker.run_dir, NAME, grace_seconds=0)
        down = time.monotonic()
        sent = [f"during-{n}" for n in range(3)]
        assert {service.status("/v1/events", {**VIEW, "event_id": name}) for name in sent} == {503}
        assert service.client.get(LIST)["items"][0]["item_id"] == "tea"
        until(lambda: service.status("/v1/ready") == 503, "to be not ready", 25)
        time.sleep(max(0, 16 - (time.monotonic() - down)))
        assert service.client.get(LIST)["age_ms"] >= 15_000
        assert service.status("/v1/health") == 200

        broker.start()
        until(broker.answers, "the broker")
        until(service.client.is_ready, "to be ready again")
        give(broker, "ann", "cup")
        assert next(lists)["items"][0]["item_id"] == "cup"
    assert service.status("/v1/events", {**VIEW, "event_id": "after"}) == 200
    found = events_in(broker)
    assert (found["before"], found["after"]) == (1, 1)
    assert all(found[name] <= 1 for name in sent)


def test_topics_that_are_made_anew(broker: Broker, service: Program) -> None:
    give(broker, "ann", "old")
    write(broker, "catalog", b"old", b'{"title": "Old"}')
    until(lambda: first(service) == "old", "the list")
    admin = AdminClient({"bootstrap.servers": broker.address})
    names = list(JobConfig().kafka.topics.model_dump().values())
    for done in admin.delete_topics(names, operation_timeout=30).values():
        done.result()
    assert first(service) == "old"  # nobody took it back
    time.sleep(1)
    create(JobConfig(), KafkaAddress(broker.address))
    until(lambda: service.client.get(LIST)["rec_id"] is None, "to forget the old list")
    until(service.client.is_ready, "to be ready again")
    assert service.client.get("/v1/items/old")["item"] is None
    give(broker, "ann", "new")
    until(lambda: first(service) == "new", "the new list")


def test_a_service_that_is_killed_while_a_stream_runs(broker: Broker, service: Program) -> None:
    give(broker, "ann", "tea")
    until(lambda: first(service) == "tea", "the list")
    with stream(service.client, "ann") as lists:
        next(lists)
        service.process.kill()
        service.process.wait()
        give(broker, "ann", "cup")
        with pytest.raises((StopIteration, OSError, ValueError)):
            next(lists)
    service.start()
    assert first(service) == "cup"
    write(broker, "recommendations", b"ann", None)
    until(lambda: service.client.get(LIST)["rec_id"] is None, "the list to be withdrawn")


def test_slow_clients_by_the_hundred_keep_nobody_waiting(service: Program) -> None:
    half = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n[{"
    asked = b"GET /v1/users/ann/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    before = service.memory()
    clients = []
    try:
        for n in range(400):
            client = socket.create_connection(("127.0.0.1", service.port))
            client.sendall(half if n % 2 else asked)  # neither says or reads more
            clients.append(client)
        begin = time.monotonic()
        for _ in range(50):
            service.client.get(LIST)
        assert time.monotonic() - begin < 5
        assert service.memory() - before < 100 << 20
    finally:
        for client in clients:
            client.close()
    assert service.status("/v1/ready") == 200


def test_a_catalogue_that_is_made_and_deleted_takes_no_more_room(
    broker: Broker, service: Program
) -> None:
    producer = Producer({"bootstrap.servers": broker.address, "message.max.bytes": 1_000_000})
    large = json.dumps({"title": "x" * 450_000, "categories": ["y" * 400_000]}).encode()

    def rounds(count: int) -> None:
        for n in range(count):
            for value in (large, None):
                producer.produce("catalog", key=f"item-{n % 5}".encode(), value=value)
                producer.poll(0)
            producer.flush(30)
        producer.produce("catalog", key=b"last", value=json.dumps({"title": str(count)}).encode())
        producer.flush(30)
        until(
            lambda: (service.client.get("/v1/items/last")["item"] or {}).get("title") == str(count),
            "the last record",
        )

    rounds(40)
    before = service.memory()
    rounds(120)
    assert service.memory() - before < 60 << 20
    assert service.client.get("/v1/info")["catalog"] == 1
