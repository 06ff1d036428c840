"""One Kafka broker that is its own controller, from the fetched jars, without any distribution."""

import base64
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from scripts.tools.cluster import loopback, processes
from scripts.tools.cluster.paths import ROOT, connector_jar, jars_dir, java
from scripts.tools.cluster.plain_path import plain
from scripts.tools.console import ToolError

NAME = "kafka"
MEMORY_MB = 768
"""Most that it takes: its heap, and what a JVM takes besides."""
_JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=50",
    # the optimising compiler takes a third of a core for minutes, from everything beside it
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """A broker bound to loopback.

    Parameters
    ----------
    run_dir
        Its data lie in `kafka/`, its log in `logs/kafka.log`.
    port
        Where clients connect.
    controller_port
        Where it talks to itself as controller.
    """

    run_dir: Path
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        """`host:port` for `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Format the data folder where that was never done, and start the broker."""
        properties = self._write_properties()
        if not (self._data / "meta.properties").exists():
            self._format(properties)
        command = [
            java(),
            *_JVM,
            *loopback.JVM_OPTIONS,
            f"-Djava.io.tmpdir={processes.temporary(self.run_dir)}",
            f"-Dlog.file={processes.home(self.run_dir) / 'logs' / 'kafka.log'}",
            f"-Dlog4j2.configurationFile={plain(ROOT / 'conf' / 'kafka') / 'log4j2.properties'}",
            *("-cp", _class_path(), "kafka.Kafka", str(properties)),
        ]
        processes.start(NAME, command, self.run_dir)

    def answers(self, timeout_seconds: float = 1) -> bool:
        """Return whether a client gets the list of topics."""
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.address,
            "log_level": 0,
        }
        try:
            brokers = AdminClient(settings).list_topics(timeout=timeout_seconds).brokers
        except KafkaException:
            return False
        return len(brokers) > 0

    @property
    def _data(self) -> Path:
        return processes.home(self.run_dir) / "kafka" / "data"

    def _write_properties(self) -> Path:
        controller = f"127.0.0.1:{self.controller_port}"
        own = {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": self._data,
        }
        fixed = (ROOT / "conf" / "kafka" / "server.properties").read_text()
        path = processes.home(self.run_dir) / "kafka" / "server.properties"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fixed + "".join(f"{name}={value}\n" for name, value in own.items()))
        return path

    def _format(self, properties: Path) -> None:
        # one broker is a cluster of its own, and topics made anew are another one's
        first, *rest = uuid.uuid4().bytes
        number = bytes([first & 0x7F, *rest])  # or its text may begin with a dash, as options do
        cluster = base64.urlsafe_b64encode(number).decode().rstrip("=")
        arguments = ("format", "--cluster-id", cluster, "--config", str(properties))
        quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m")
        command = [java(), *quick, "-cp", _class_path(), "kafka.tools.StorageTool", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            cause = (done.stderr or done.stdout).strip().splitlines()[-1:]
            message = f"{self._data}: expected a folder to format, got {' '.join(cause)}; run"
            raise ToolError(f"{message} scripts/local down")


def _class_path() -> str:
    connector = connector_jar()  # carries its own copy of the Kafka client
    jars = (jar for jar in sorted(jars_dir().glob("*.jar")) if jar != connector)
    return os.pathsep.join(str(plain(jar)) for jar in jars)
