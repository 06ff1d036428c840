"""What jobs were submitted with: in the run folder, and in the manifests of their savepoints.

A restore by tool goes by it, so that what was restarted is the same job. Secrets are not in it: as
configurations have it, they are references, and what those led to is masked.
"""

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from conf.renamed import rename
from scripts.tools.cluster import manifest

FOLDER = "submissions"
ENTRY = "submission"
"""Its name in a manifest."""
_KEPT = 200
_CHECKPOINT = re.compile(r"chk-\d+")
_SAVEPOINT = re.compile(r"savepoint-([0-9a-f]{6})-")
_ABSENT = "(none)"


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """One submission.

    Parameters
    ----------
    job
        Flink's id.
    name, topic
        `job.name` and `kafka.topics.user_behavior`.
    written
        The configuration as it was written, overrides laid on; references stay references.
    effective
        Every key as it was then, those that nobody had set included; secrets masked.
    cluster
        Kafka's id of the cluster; empty where it could not be asked.
    run_dir
        Of the local cluster whose brokers it had, empty for others: such a cluster may have another
        port by now, and what lies in its folder is its own.
    at
        When, ISO 8601.
    """

    job: str
    name: str
    topic: str
    written: Mapping[str, Any]
    effective: Mapping[str, Any]
    cluster: str = ""
    run_dir: str = ""
    at: str = ""

    def save(self, run_dir: Path) -> None:
        """Keep it in the run folder, for its owner's eyes."""
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{self.job}.json", json.dumps(asdict(self), default=str, indent=1) + "\n")
        with suppress(FileNotFoundError):  # somebody else submits just now
            for old in sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime_ns)[_KEPT:]:
                old.unlink()

    def configuration(self, run_dir: Path) -> Path:
        """Return a file with the configuration as it was written: JSON, which is YAML."""
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.job}.yaml"
        _write(path, json.dumps(self.written, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Self | None:
        """Return what `asdict` made a mapping of, by this version or a later; None for others."""
        known = {field.name for field in fields(cls)}
        try:
            found = cls(**{name: value for name, value in about.items() if name in known})
        except TypeError:
            return None
        texts = (found.job, found.name, found.topic, found.cluster, found.at, found.run_dir)
        trees = (found.written, found.effective)
        sound = all(isinstance(one, str) for one in texts) and re.fullmatch(r"\w{1,64}", found.job)
        return found if sound and all(isinstance(one, Mapping) for one in trees) else None


def of_job(run_dir: Path, job: str) -> Submitted | None:
    """Return what a job of this run folder was submitted with; None where that is not known."""
    return _read(run_dir / FOLDER / f"{job}.json")


def of_state(state: Path, run_dir: Path) -> Submitted | None:
    """Return what the job was submitted with whose savepoint or checkpoint this is.

    Its manifest says it; of checkpoints, and of savepoints that `flink stop` took, the run folder
    does, as their paths have the job's id.
    """
    about = _json(state / manifest.NAME)
    if isinstance(about, dict):
        found = about.get(ENTRY)
        if isinstance(found, dict) and (submitted := Submitted.of(found)):
            return submitted
        return of_job(run_dir, str(about.get("job")))
    if _CHECKPOINT.fullmatch(state.name):
        return of_job(run_dir, state.parent.name)
    if begins := _SAVEPOINT.match(state.name):
        found_jobs = [_read(path) for path in (run_dir / FOLDER).glob(f"{begins[1]}*.json")]
        return found_jobs[0] if len(found_jobs) == 1 else None
    return None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each key that is another one, as `recommend.k: 10 before, 20 now`.

    A key that has another name now is compared by that.

    Examples
    --------
    >>> differences({"recommend": {"k": 10}}, {"recommend": {"k": 20}})
    ['recommend.k: 10 before, 20 now']
    """
    renamed = copy.deepcopy(dict(before))
    rename(renamed)
    old, new = dict(_leaves(renamed)), dict(_leaves(now))
    return [
        f"{key}: {_said(old, key)} before, {_said(new, key)} now"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def shown(effective: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Return an effective configuration with references where they were written.

    What they led to may be a secret, whatever the key.

    Examples
    --------
    >>> shown({"a": {"b": "s3://key@b"}}, {"a": {"b": "s3://${env:K}@b"}})
    {'a': {'b': 's3://${env:K}@b'}}
    """
    found = dict(effective)
    for name, value in written.items():
        inner = found.get(name)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            found[name] = shown(inner, value)
        elif "${" in json.dumps(value, default=str):
            found[name] = value
    return found


def _said(leaves: Mapping[str, Any], key: str) -> str:
    return json.dumps(leaves[key]) if key in leaves else _ABSENT


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.loads(json.dumps(value, default=str))


def _read(path: Path) -> Submitted | None:
    found = _json(path)
    return Submitted.of(found) if isinstance(found, dict) else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text.encode())
    part.replace(path)
