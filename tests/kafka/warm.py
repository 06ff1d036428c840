"""A cluster whose client stays: most of a submission is a JVM that loads and compiles itself.

The client carries out the same command lines as a new one would, `flink run` included, which starts
a new Python for the job each time. Tools that load the cluster from its folder start clients of
their own, as on any machine.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.tools.cluster import processes
from scripts.tools.cluster.flink import FlinkCluster
from scripts.tools.cluster.instance import Local

_MAIN = ("org.apache.flink.api.python.shaded.py4j.GatewayServer", "--die-on-broken-pipe", "0")
"""It says its port, and ends with its standard input."""


@dataclass(frozen=True, kw_only=True)
class WarmCluster(FlinkCluster):
    """A cluster that asks the client that runs, where there is one."""

    @property
    def port_file(self) -> Path:
        """Where the client says how to reach it."""
        return self.run_dir / "flink" / "client-port"

    def client(self, arguments: Sequence[str]) -> list[str]:
        if not self.port_file.exists():
            return super().client(arguments)
        forward = Path(__file__).with_name("forward.py")
        return [sys.executable, str(forward), str(self.port_file), *arguments]

    def _task_manager_jvm(self) -> list[str]:
        # a minute of a test is over before the second compiler has earned what it takes
        return [*super()._task_manager_jvm(), "-XX:TieredStopAtLevel=1"]

    def stays(self) -> list[str]:
        """Return the command of the client that stays."""
        return [*super().client([])[:-1], *_MAIN]


@dataclass(frozen=True, kw_only=True)
class WarmLocal(Local):
    """A broker beside such a cluster."""

    @property
    def flink(self) -> WarmCluster:
        return WarmCluster(**vars(super().flink))

    @contextmanager
    def client(self) -> Iterator[None]:
        """Keep a client, while everything runs."""
        flink = self.flink
        environment = processes.marked_environment(self.run_dir, flink.client_environment())
        with (
            (self.run_dir / "logs" / "client.err").open("w") as errors,
            subprocess.Popen(
                flink.stays(),
                cwd=self.run_dir,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            flink.port_file.write_text(process.stdout.readline())
            try:
                yield
            finally:
                flink.port_file.unlink()
                process.kill()
