"""What jobs were submitted with: in the run folder, and in the manifests of their savepoints.

A restore by tool goes by it, so that what was restarted is the same job. Secrets are not in it: as
configurations have it, they are references, and what those led to is masked.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import yaml

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
    local
        Whether the brokers were those of the run folder, which may have another port by now.
    at
        When, ISO 8601.
    """

    job: str
    name: str
    topic: str
    written: Mapping[str, Any]
    effective: Mapping[str, Any]
    cluster: str = ""
    local: bool = False
    at: str = ""

    def save(self, run_dir: Path) -> None:
        """Keep it in the run folder, for its owner's eyes."""
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{self.job}.json", json.dumps(asdict(self), default=str, indent=1) + "\n")
        for old in sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime_ns)[_KEPT:]:
            old.unlink()

    def configuration(self, run_dir: Path) -> Path:
        """Return a file with the configuration as it was written."""
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.job}.yaml"
        _write(path, yaml.safe_dump(dict(self.written), sort_keys=False, allow_unicode=True))
        return path

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Self | None:
        """Return what `asdict` made a mapping of, by this version or a later; None for others."""
        known = {field.name for field in fields(cls)}
        try:
            found = cls(**{name: value for name, value in about.items() if name in known})
        except TypeError:
            return None
        texts = (found.job, found.name, found.topic, found.cluster, found.at)
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

    Examples
    --------
    >>> differences({"recommend": {"k": 10}}, {"recommend": {"k": 20}})
    ['recommend.k: 10 before, 20 now']
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{key}: {_said(old, key)} before, {_said(new, key)} now"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


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
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
