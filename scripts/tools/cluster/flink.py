"""Flink's standalone session cluster, from the wheel: one JobManager, one TaskManager."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.tools.cluster import loopback, processes
from scripts.tools.cluster.flink_rest import FlinkRest, FlinkUnreachableError
from scripts.tools.cluster.paths import ROOT, connector_jar, flink_home, java
from scripts.tools.cluster.plain_path import plain

JOB_MANAGER, TASK_MANAGER = "jobmanager", "taskmanager"
_MAIN = {
    JOB_MANAGER: "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    TASK_MANAGER: "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}
_CLIENT = "org.apache.flink.client.cli.CliFrontend"
_METASPACE = "-XX:MaxMetaspaceSize=512m"  # every submitted job loads its planner once more

_JOB_MANAGER_MB, _WORKER_MB = 768, 300

PYTHON_ENVIRONMENT = {
    "PYTHONSAFEPATH": "1",  # else a folder named like one of our packages wins over the wheel
    "OMP_NUM_THREADS": "1",  # one worker a slot: more threads would only spin
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Of every Python process that runs the job: client and workers."""


@dataclass(frozen=True, kw_only=True)
class FlinkCluster:
    """A cluster bound to loopback.

    Parameters
    ----------
    run_dir
        Its generated settings lie in `flink/conf`, its logs in `logs`.
    rest_port, rpc_port
        Where clients look and submit; where the TaskManager finds the JobManager.
    slots
        Subtasks that can run at once; each has a Python worker of about 300 MB.
    """

    run_dir: Path
    rest_port: int
    rpc_port: int
    slots: int

    @property
    def rest_url(self) -> str:
        """Web page and REST interface of the JobManager."""
        return f"http://127.0.0.1:{self.rest_port}"

    @property
    def rest(self) -> FlinkRest:
        """Client of the JobManager."""
        return FlinkRest(self.rest_url)

    @property
    def memory_mb(self) -> int:
        """Most memory that both processes and the Python workers take."""
        heap_and_direct = self._heap_mb + 128 + self._network_mb + 256
        task_manager = heap_and_direct + 256 * self.slots + 512 + 192
        return task_manager + _JOB_MANAGER_MB + _WORKER_MB * self.slots

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints of all jobs."""
        return self._home / "checkpoints"

    @property
    def savepoints(self) -> Path:
        """Folder of the savepoints."""
        return self._home / "savepoints"

    def prepare(self) -> None:
        """Write the settings; not while one of the processes runs on them."""
        self._write_conf()
        self._link_jars()

    def start(self, name: str) -> None:
        """Start one of both processes; they find each other."""
        manager = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._start(name, manager if name == JOB_MANAGER else self._task_manager_jvm())

    def ready(self) -> bool:
        """Return whether every slot is registered."""
        try:
            return self.rest.slots()[1] == self.slots
        except FlinkUnreachableError:
            return False

    def client(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that is `flink ARGUMENTS`: the script of that name quotes nothing."""
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [*self._java("client", "log4j-cli", quick), _CLIENT, *arguments]

    def client_environment(self) -> dict[str, str]:
        """Environment in which the client talks to this cluster."""
        return self._environment() | PYTHON_ENVIRONMENT

    def _environment(self) -> dict[str, str]:
        home = plain(flink_home())
        return {
            "FLINK_CONF_DIR": str(self._conf),
            "FLINK_LIB_DIR": str(self._lib),
            "FLINK_PLUGINS_DIR": str(home / "plugins"),
            "FLINK_OPT_DIR": str(home / "opt"),
            "FLINK_BIN_DIR": str(home / "bin"),
            "FLINK_LOG_DIR": str(self._home / "logs"),
        }

    @property
    def _home(self) -> Path:
        return processes.home(self.run_dir)

    @property
    def _conf(self) -> Path:
        return self._home / "flink" / "conf"

    @property
    def _lib(self) -> Path:
        return self._home / "flink" / "lib"

    def _start(self, name: str, jvm: list[str]) -> None:
        main = [_MAIN[name], "--configDir", str(self._conf)]
        command = [*self._java(name, "log4j", [*jvm, _METASPACE]), *main]
        processes.start(name, command, self.run_dir, self._environment() | PYTHON_ENVIRONMENT)

    def _java(self, name: str, log4j: str, jvm: list[str]) -> list[str]:
        return [
            java(),
            *jvm,
            *self._java_options(),
            f"-Dlog.file={self._home / 'logs' / name}.log",
            f"-Dlog4j.configurationFile={self._conf / log4j}.properties",
            *("-classpath", self._class_path()),
        ]

    def _java_options(self) -> list[str]:
        """Return the `--add-opens` this version of Flink needs, and where temporary files go."""
        settings = yaml.safe_load((flink_home() / "conf" / "config.yaml").read_text())
        opens = settings["env"]["java"]["opts"]["all"].split()
        temporary = processes.temporary(self.run_dir)
        return [f"-Djava.io.tmpdir={temporary}", *loopback.JVM_OPTIONS, *opens]

    def _class_path(self) -> str:
        jars = sorted(
            self._lib.glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar)
        )
        return os.pathsep.join(map(str, jars))

    def _task_manager_jvm(self) -> list[str]:
        heap = self._heap_mb + 128  # tasks and framework
        direct = self._network_mb + 128 + 128  # buffers, framework, Arrow
        return [
            f"-Xms{heap}m",
            f"-Xmx{heap}m",
            f"-XX:MaxDirectMemorySize={direct}m",
            "-XX:+UseParallelGC",
        ]

    @property
    def _heap_mb(self) -> int:
        return 512 + 256 * self.slots

    @property
    def _network_mb(self) -> int:
        return 64 + 32 * self.slots

    def _write_conf(self) -> None:
        templates = ROOT / "conf" / "flink"
        settings = yaml.safe_load((templates / "config.yaml").read_text()) | self._own_settings()
        self._conf.mkdir(parents=True, exist_ok=True)
        (self._conf / "config.yaml").write_text(yaml.safe_dump(settings, width=100_000))
        for name in ("log4j.properties", "log4j-cli.properties"):  # `flink` looks for the second
            shutil.copyfile(templates / "log4j.properties", self._conf / name)

    def _own_settings(self) -> Mapping[str, str | int]:
        return {
            "rest.port": self.rest_port,
            "rest.bind-port": self.rest_port,
            # Flink's own page; by default any page in a browser may read what is answered here
            "web.access-control-allow-origin": self.rest_url,
            "jobmanager.rpc.port": self.rpc_port,
            "io.tmp.dirs": str(processes.temporary(self.run_dir)),
            "execution.checkpointing.dir": self.checkpoints.as_uri(),
            "execution.checkpointing.savepoint-dir": self.savepoints.as_uri(),
            "taskmanager.numberOfTaskSlots": self.slots,
            # what taskmanager.sh would derive from one total
            "taskmanager.cpu.cores": self.slots,
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.task.heap.size": f"{self._heap_mb}m",
            "taskmanager.memory.task.off-heap.size": "128m",
            "taskmanager.memory.network.min": f"{self._network_mb}m",
            "taskmanager.memory.network.max": f"{self._network_mb}m",
            "taskmanager.memory.managed.size": f"{256 * self.slots}m",
            "taskmanager.memory.jvm-metaspace.size": "512m",
            "taskmanager.memory.jvm-overhead.min": "192m",
            "taskmanager.memory.jvm-overhead.max": "192m",
        }

    def _link_jars(self) -> None:
        shutil.rmtree(self._lib, ignore_errors=True)
        self._lib.mkdir(parents=True)
        home = flink_home()
        # flink-python from opt/ would be loaded with the job, and a failing task would then take
        # the whole TaskManager along
        python = (home / "opt").glob("flink-python-*.jar")
        for jar in (*(home / "lib").glob("*.jar"), *python, connector_jar()):
            (self._lib / jar.name).symlink_to(jar)
