"""Look at the versions of the deep model in a store, and choose which one the running job serves.

Exit 1: something is wrong with a version, or the job refused.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from conf.problems import ConfigError
from jobs.parameters import default_store
from models.deep.shape import Shape
from scripts.tools.cluster.paths import store_of, store_uri
from scripts.tools.commands import control
from scripts.tools.commands.demo_view import console
from scripts.tools.console import ToolError, answer, progress, run
from scripts.tools.kafka.target import Target, add_arguments, target
from state.codec.sealed import StateError
from state.store import model_file
from state.store.model_store import WEIGHTS, Manifest, ModelStore

_HIT_RATE = "hr_at_10"


@dataclass(frozen=True)
class Version:
    """A version and what is wrong with it."""

    number: int
    manifest: Manifest | None
    """None where it cannot be read."""
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes of its files."""
        files = self.manifest.files if self.manifest else {}
        return sum(file.bytes for file in files.values())

    def as_mapping(self) -> dict[str, Any]:
        """Return everything known, for JSON."""
        known = msgspec.to_builtins(self.manifest) if self.manifest else {"version": self.number}
        return {**known, "bytes": self.size, "problem": self.problem or None}

    def as_cells(self) -> list[str]:
        """Return the row of the table."""
        one = self.manifest
        if one is None:
            return [str(self.number), *[""] * 10, self.problem]
        return [
            str(self.number),
            _instant(one.created_at),
            str(one.parent or ""),
            _network(one.shape),
            f"{one.items:,}",
            f"{one.events:,}",
            f"{one.steps:,}",
            f"{one.seconds:.1f}",
            _figure(one.champion),
            _figure(one.challenger),
            f"{self.size / 2**20:.1f} MiB",
            self.problem,
        ]


def found(store: ModelStore, number: int, *, verify: bool) -> Version:
    """Return a version; with `verify` its files are read and believed only if they hold."""
    try:
        manifest = store.manifest(number)
    except StateError as error:
        return Version(number, None, str(error))
    return Version(number, manifest, _problem(store, number, manifest) if verify else "")


def _problem(store: ModelStore, number: int, manifest: Manifest) -> str:
    """Return what is wrong with the files of a version: sizes, sha256, tensors, numbers."""
    if manifest.version != number:
        return f"model {number}: expected its own manifest, got that of {manifest.version}"
    try:
        for name, file in manifest.files.items():
            got = len(store.read(number, name))
            if got != file.bytes:
                return f"model {number}: expected {name} of {file.bytes} bytes, got {got}"
        shape = Shape(**manifest.shape)  # type: ignore[arg-type]
        data = store.read(number, WEIGHTS)
        model = model_file.decode(data, shape, version=number, root=manifest.root)
    except (StateError, TypeError) as error:
        return str(error)
    if len(model.keys) != manifest.items:
        return f"model {number}: expected {manifest.items} items, got {len(model.keys)}"
    return ""


def main() -> int:
    """Read the command line and do what it says.

    Returns
    -------
    int
        0; 1 where a version is not sound or the job refused.
    """
    options = _parser().parse_args()
    if options.command in ("promote", "rollback"):
        return _command(options)
    store = _store(options)
    try:
        return _list(store, options) if options.command == "list" else _one(store, options)
    except StateError as error:
        raise ToolError(str(error)) from None


def _list(store: ModelStore, options: argparse.Namespace) -> int:
    versions = [found(store, number, verify=options.verify) for number in store.versions()]
    if options.json:
        answer({"store": store.uri, "models": [one.as_mapping() for one in versions]}, as_json=True)
    elif not versions:
        console().print(f"store {store.uri}: no models")
    else:
        console().print(_table(store, versions))
    return _complain(versions)


def _table(store: ModelStore, versions: list[Version]) -> Table:
    names = ("model", "created (UTC)", "parent", "network", "items", "events", "steps", "seconds",
             "HR@10 of\nchampion", "HR@10 of\nchallenger", "size")  # fmt: skip
    table = Table(title=f"store {store.uri}", title_justify="left", box=SIMPLE_HEAD,
                  padding=(0, 1, 0, 0))  # fmt: skip
    for name in names:
        table.add_column(name, no_wrap=True)
    for one in versions:
        *cells, problem = one.as_cells()
        table.add_row(*cells, style="red" if problem else None)
    return table


def _one(store: ModelStore, options: argparse.Namespace) -> int:
    one = found(store, options.model, verify=options.verify)
    if one.manifest is None:
        there = ", ".join(map(str, store.versions())) or "none"
        raise ToolError(f"{one.problem}; choose one of the store's versions: {there}")
    if options.json:
        answer(one.as_mapping(), as_json=True)
    else:
        console().print_json(json.dumps(msgspec.to_builtins(one.manifest)), indent=1)
        if options.verify and not one.problem:
            progress(f"model {one.number}: files, checksums and weights are sound")
    return _complain([one])


def _complain(versions: list[Version]) -> int:
    problems = [one.problem for one in versions if one.problem]
    for problem in problems:
        progress(f"error: {problem}")
    return 1 if problems else 0


def _command(options: argparse.Namespace) -> int:
    job = target(options)
    fields = {"model": options.model} if options.command == "promote" else {}
    name = control.send(job.address, job.config, f"{options.command}_model", **fields)
    told = control.wait(job.address, job.config, name)
    answer(told, as_json=options.json)
    return 0 if told.get("ok") else 1


def _store(options: argparse.Namespace) -> ModelStore:
    try:
        return ModelStore(store_uri(options.store or _configured(options)))
    except StateError as error:
        raise ToolError(str(error), code=2) from None


def _configured(options: argparse.Namespace) -> str:
    """Return where the job that the options mean keeps its models."""
    if options.config is None:  # a file given decides, as for scripts/submit
        options.overrides[:0] = [f"fine_tune.store={store_of(options.run_dir)}"]
    job: Target = target(options)
    try:
        return job.config.fine_tune.store or default_store(job.config.job.name)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _network(shape: Mapping[str, str | int]) -> str:
    sizes = (shape.get(name, "?") for name in ("dim", "width", "layers"))
    return f"{shape.get('network', '?')}\n{'x'.join(map(str, sizes))}"


def _figure(figures: Mapping[str, float | None]) -> str:
    value = figures.get(_HIT_RATE)
    return "" if value is None else f"{value:.4f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/models", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    listing = commands.add_parser("list", help="all versions of a store")
    show = commands.add_parser("show", help="the manifest of a version")
    promote = commands.add_parser("promote", help="let the running job serve a version")
    rollback = commands.add_parser("rollback", help="let it serve the one before, or none")
    for one in (show, promote):
        one.add_argument("model", type=int, metavar="N", help="version")
    for one in (listing, show):
        one.add_argument(
            "--store",
            metavar="URI",
            help="folder or URI (default: fine_tune.store of the job's configuration; of the local"
            " cluster, models in its --run-dir)",
        )
        one.add_argument(
            "--verify",
            action="store_true",
            help="compare the files with their sha256 and decode the weights",
        )
    for one in (listing, show, promote, rollback):
        add_arguments(one)
        one.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    run(main)
