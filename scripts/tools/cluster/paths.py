"""Paths: the repository, the cache of downloads, the run folder, Flink's home, Java."""

import importlib.util
import os
import shutil
from pathlib import Path

from scripts.tools.console import ToolError

ROOT = Path(__file__).resolve().parents[3]
TRAINER_PYTHON = ROOT / ".venv-train" / "bin" / "python"
"""Interpreter of the environment with torch, made by `scripts/setup --train`."""
LOCAL_CONFIG = ROOT / "conf" / "local.yaml"
RUN_DIR = ROOT / ".run"
"""Default folder of one running instance: pids, logs, broker data, checkpoints, savepoints."""


def cache_dir() -> Path:
    """Return the folder of what can be downloaded or compiled again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "streamrec"


def jars_dir() -> Path:
    """Return the folder of the jars that `scripts/setup` fetched and verified."""
    return cache_dir() / "jars"


def connector_jar() -> Path:
    """Return Flink's Kafka connector.

    Raises
    ------
    ToolError
        If the jars were never fetched.
    """
    found = sorted(jars_dir().glob("flink-sql-connector-kafka-*.jar"))
    if len(found) != 1:
        message = f"{jars_dir()}: expected one Kafka connector, got {len(found)}; run scripts/setup"
        raise ToolError(message)
    return found[0]


def flink_home() -> Path:
    """Return Flink as the apache-flink wheel carries it: `bin`, `lib`, `opt`, `plugins`."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        message = "pyflink: expected an installed apache-flink, got none; run scripts/setup"
        raise ToolError(message)
    return Path(spec.origin).parent


def java() -> str:
    """Return the `java` program: JAVA_HOME's, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None)
    if program is None:
        message = "java: expected Java 17 or newer, got none; run scripts/setup"
        raise ToolError(message)
    return program


def trainer_python() -> Path | None:
    """Return the interpreter that has torch, None where `scripts/setup --train` was never run."""
    return TRAINER_PYTHON if TRAINER_PYTHON.exists() else None


def store_of(run_dir: Path) -> str:
    """Return where the models of a local cluster lie."""
    return str(run_dir.resolve() / "models")


def store_uri(text: str) -> str:
    """Return a model store as given by a user, a path made absolute."""
    return text if "://" in text else str(Path(text).expanduser().resolve())
