"""One broker and one Flink cluster in one run folder: `scripts/local` for programs."""

import contextlib
import fcntl
import json
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from scripts.tools.cluster import loopback, ownership, processes
from scripts.tools.cluster.broker import MEMORY_MB, Broker
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.flink import JOB_MANAGER, TASK_MANAGER, FlinkCluster
from scripts.tools.cluster.flink_rest import FlinkUnreachableError
from scripts.tools.cluster.machine import machine
from scripts.tools.cluster.paths import ROOT
from scripts.tools.cluster.stack_trace import innermost_cause
from scripts.tools.console import ToolError, progress

_PARTS = (JOB_MANAGER, TASK_MANAGER, BROKER)
# what `down` deletes; logs, savepoints and whatever else lies in the folder stay
_DATA = (
    "checkpoints",
    "demo.job",
    "flink",
    "kafka",
    "local.json",
    "lock",
    ownership.NAME,
    "pids",
    "ready",
    "tmp",
)
_START_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where an instance listens, on loopback only."""

    kafka: int = 9092
    controller: int = 9093
    rest: int = 8081
    rpc: int = 6123

    @classmethod
    def from_base(cls, base: int) -> Self:
        """Return four ports in a row, or four free ones for base 0."""
        if base:
            return cls(kafka=base, controller=base + 1, rest=base + 2, rpc=base + 3)
        with contextlib.ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(4)]
            for each in sockets:
                each.bind((loopback.HOST, 0))
            kafka, controller, rest, rpc = (each.getsockname()[1] for each in sockets)
        return cls(kafka=kafka, controller=controller, rest=rest, rpc=rpc)


@dataclass(frozen=True, kw_only=True)
class Local:
    """A broker and a cluster that belong together.

    Parameters
    ----------
    run_dir
        Everything they write lies here; two instances need two folders and other ports.
    ports
        Where they listen.
    slots
        Task slots of the cluster.

    Examples
    --------
    >>> local = Local.plan(tmp_path, port_base=0)       # doctest: +SKIP
    >>> local.up()                                      # doctest: +SKIP
    >>> local.brokers, local.rest_url                   # doctest: +SKIP
    >>> local.down()                                    # doctest: +SKIP
    """

    run_dir: Path
    ports: Ports
    slots: int

    @classmethod
    def plan(cls, run_dir: Path, *, port_base: int | None = None, slots: int | None = None) -> Self:
        """Describe an instance that does not run yet.

        Parameters
        ----------
        port_base
            First of four ports in a row; 0 = any free ones; None = the usual 9092 and 8081.
        slots
            None = one for each core that this process may use, at most 8.
        """
        ports = Ports() if port_base is None else Ports.from_base(port_base)
        slots = slots or min(machine().cores(), 8)
        return cls(run_dir=run_dir.resolve(), ports=ports, slots=slots)

    @classmethod
    def load(cls, run_dir: Path) -> Self:
        """Return the instance that was last brought up in this folder.

        Raises
        ------
        ToolError
            If there is none.
        """
        try:
            saved = json.loads((run_dir / "local.json").read_text())
        except FileNotFoundError:
            message = f"{run_dir}: expected a local cluster, got none; run scripts/local up"
            raise ToolError(message) from None
        ports = Ports(**saved["ports"])
        return cls(run_dir=run_dir.resolve(), ports=ports, slots=saved["slots"])

    @property
    def broker(self) -> Broker:
        """The Kafka broker."""
        ports = self.ports
        return Broker(run_dir=self.run_dir, port=ports.kafka, controller_port=ports.controller)

    @property
    def flink(self) -> FlinkCluster:
        """The Flink cluster."""
        ports = self.ports
        return FlinkCluster(
            run_dir=self.run_dir, rest_port=ports.rest, rpc_port=ports.rpc, slots=self.slots
        )

    @property
    def brokers(self) -> str:
        """`bootstrap.servers` of the broker."""
        return self.broker.address

    @property
    def rest_url(self) -> str:
        """Web page and REST interface of Flink."""
        return self.flink.rest_url

    def up(
        self,
        report: Callable[[str], None] = progress,
        *,
        owned: bool = False,
        revives: bool = True,
    ) -> bool:
        """Start what does not run yet, leave the rest alone, and wait until all of it answers.

        A supervisor then starts again what dies.

        Parameters
        ----------
        owned
            End everything when this process has ended, however it did.
        revives
            Whether the supervisor starts anything again.

        Returns
        -------
        bool
            False if it was up already.

        Raises
        ------
        ToolError
            If a port is taken, a process ends, or nothing answers in time; what was started here
            does not stay.
        """
        if self.is_up():
            self._supervise(revives=revives)
            return False
        dead = self.dead()
        fresh = not self.runs()
        if fresh:
            processes.end_all(self.run_dir)  # workers of an instance that is gone
            self._check_ports()
            self._save(owned=owned)
        try:
            self._supervise(revives=revives)  # from the first second on: the owner may be killed
            if fresh and (short := self.short_of_memory()):
                report(short)
            names = ", ".join(dead) or "all of it"
            report(
                f"starting Flink ({self.rest_url}) and Kafka ({self.brokers})"
                if fresh
                else f"waiting for {names}; the others run on"
            )
            self.revive(dead)
            self._wait("Kafka", self.broker.answers)
            self._wait("Flink", self.flink.ready)
            self._ready.touch()
        except BaseException:
            if fresh:
                processes.end_all(self.run_dir, grace_seconds=2)
            for part in () if fresh else dead:
                processes.end(self.run_dir, part, grace_seconds=2)
            raise
        return True

    def short_of_memory(self) -> str:
        """Return in words that there may be too little memory; empty where there is enough."""
        wanted, there = (self.flink.memory_mb + MEMORY_MB) << 20, machine().memory()
        if there >= wanted:
            return ""
        remedy = "pass fewer --slots, or allow more" if self.slots > 1 else "allow more"
        return (
            f"memory: expected {wanted / (1 << 30):.1f} GiB or more for {self.slots} slots, got"
            f" {there / (1 << 30):.1f} GiB; {remedy}, or processes may be killed"
        )

    def runs(self) -> bool:
        """Return whether any part of it does."""
        return len(self.dead()) < len(_PARTS)

    def dead(self) -> list[str]:
        """Return the parts of which no process lives."""
        return [part for part in _PARTS if processes.named(self.run_dir, part) is None]

    def revive(self, parts: Sequence[str]) -> list[str]:
        """Start those of the parts that are still dead; return which ones.

        What they left behind, as the Python workers of a TaskManager, is ended before.
        """
        if not parts:
            return []
        with self._locked():  # `up` and the supervisor must not both start one
            dead = self.dead()
            if TASK_MANAGER in dead and JOB_MANAGER in dead:
                self._prepare()
            started = [part for part in parts if part in dead]
            for part in started:
                processes.end(self.run_dir, part, grace_seconds=1)
                self._start(part)
        return started

    @property
    def was_up(self) -> bool:
        """Return whether it ever answered since `up`: what dies before, dies of a mistake."""
        return self._ready.exists()

    def release(self) -> None:
        """Let everything run on when this process has ended."""
        ownership.release(self.run_dir)

    @property
    def _ready(self) -> Path:
        return self.run_dir / "ready"

    def _prepare(self) -> None:
        self.flink.prepare()

    def _start(self, part: str) -> None:
        if part == BROKER:
            self.broker.start()
        else:
            self.flink.start(part)

    def _supervise(self, *, revives: bool) -> None:
        if processes.named(self.run_dir, processes.SUPERVISOR) is not None:
            return
        options = [] if revives else ["--guard"]
        command = [
            sys.executable,
            "-m",
            "scripts.tools.cluster.supervisor",
            str(self.run_dir),
            *options,
        ]
        ours = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
        processes.start(processes.SUPERVISOR, command, self.run_dir, ours)

    def _save(self, *, owned: bool) -> None:
        processes.make_private(self.run_dir)
        saved = {"ports": asdict(self.ports), "slots": self.slots}
        (self.run_dir / "local.json").write_text(json.dumps(saved))
        self._ready.unlink(missing_ok=True)
        if owned:
            ownership.claim(self.run_dir)
        else:
            ownership.release(self.run_dir)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.run_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def down(self, *, keep_data: bool = False) -> int:
        """End every process of the instance, Python workers without a parent included.

        Parameters
        ----------
        keep_data
            Leave topics and checkpoints for the next `up`; logs and savepoints always stay.

        Returns
        -------
        int
            How many processes there were.
        """
        ended = processes.end_all(self.run_dir)
        if not keep_data:
            for path in (self.run_dir / name for name in _DATA):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        return ended

    def is_up(self) -> bool:
        """Return whether all three processes live and answer."""
        return not self.dead() and self.flink.ready() and self.broker.answers()

    def status(self) -> dict[str, Any]:
        """Describe the instance for people and programs."""
        pids = {part: processes.named(self.run_dir, part) for part in _PARTS}
        try:
            free, slots = self.flink.rest.slots()
            jobs = [
                {key: job[key] for key in ("jid", "name", "state")}
                for job in self.flink.rest.jobs()
            ]
        except FlinkUnreachableError:
            free, slots, jobs = 0, 0, []
        return {
            "up": self.is_up(),
            "brokers": self.brokers,
            "flink": self.rest_url,
            "slots": slots,
            "slots_free": free,
            "pids": {part: process.pid for part, process in pids.items() if process},
            "supervised": processes.named(self.run_dir, processes.SUPERVISOR) is not None,
            "processes": len(processes.find(self.run_dir)),
            "jobs": jobs,
            "run_dir": str(self.run_dir),
            "logs": str(self.run_dir / "logs"),
        }

    def _check_ports(self) -> None:
        for name, port in asdict(self.ports).items():
            if not loopback.is_free(port):
                message = f"port {port} ({name}): expected a free one, got one in use; end what"
                raise ToolError(f"{message} listens there, or pass --port-base 0")

    def _wait(self, what: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            for part in _PARTS:
                if processes.named(self.run_dir, part) is None:
                    raise ToolError(
                        f"{part}: expected to start, got its end: {self._last_words(part)}"
                    )
            if time.monotonic() > deadline:
                message = f"{what}: expected an answer within {_START_SECONDS} s, got none; see"
                raise ToolError(f"{message} {self.run_dir / 'logs'}")
            time.sleep(0.2)

    def _last_words(self, part: str) -> str:
        logs = self.run_dir / "logs"
        lines = list(_tail(logs / f"{part}.out")) or list(_tail(logs / f"{part}.log"))
        return f"{innermost_cause(chr(10).join(lines)) or 'no output'}; see {logs}/{part}.log"


def _tail(path: Path, lines: int = 40) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from path.read_text(errors="replace").splitlines()[-lines:]
