"""File and overrides to a checked `JobConfig`.

The only module that reads the environment, and only where the configuration refers to it.
"""

import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from conf import event_plans
from conf.client.secrets import MASK, REFERENCE, Secret
from conf.document import Tree, read
from conf.problems import ConfigError, concerns, problems_of, without
from conf.renamed import override_renamed
from conf.schema import JobConfig
from conf.section import Problem

__all__ = ["ConfigError", "load", "written"]

_LOG = logging.getLogger(__name__)
_SHORTEST = 4
"""Characters of what is masked in messages: shorter ones are in every second word."""


def load(
    path: Path | str, overrides: Sequence[str] = (), *, optional: Collection[str] = ()
) -> JobConfig:
    """Return the configuration of a YAML file, with overrides like `"recommend.k=20"` on top.

    Parameters
    ----------
    optional
        Keys that are null where their references lead to nothing: secrets that whoever reads the
        configuration may do without.

    Raises
    ------
    ConfigError
        With every problem of the file, its values, its references and the rules between keys,
        one a line: `FILE: section.key: expected …, got …; did you mean '…'?`
    """
    tree, lines = read(Path(path))
    origins, misunderstood, renamed = override_renamed(tree, overrides, str(path))
    for old, new in renamed.items():
        _LOG.warning("%s: %s is called %s now; a later version reads no other name", path, old, new)
    secrets: list[str] = []
    try:
        missing, forgotten = [], []
        for problem in _resolve(tree, "", secrets):
            if problem.key in optional:
                _forget(tree, problem.key)
                forgotten.append(problem.key)
            else:
                missing.append(problem)
        misunderstood += _lay_plan(tree, str(path))
        problems = missing + problems_of(without(tree, [problem.key for problem in missing]))
        problems = [problem for problem in problems if not concerns(problem, forgotten)]
    except RecursionError:
        raise ConfigError([f"{path}: expected YAML, got a part that holds itself"]) from None
    lines += misunderstood
    lines += [problem.text(origins.get(problem.key, str(path))) for problem in problems]
    if lines:
        raise ConfigError([_masked(line, secrets) for line in lines])
    return JobConfig.model_validate(tree)


def _forget(tree: Tree, key: str) -> None:
    """Take a key of a section out of the tree: it has its default then."""
    section, _, name = key.partition(".")
    del tree[section][name]


def _masked(line: str, secrets: Sequence[str]) -> str:
    """Return a message without what references led to."""
    for secret in secrets:
        line = line.replace(secret, MASK)
    return line


def written(path: Path | str, overrides: Sequence[str] = ()) -> Tree:
    """Return a file with overrides laid on, as one writes it: references are not resolved.

    Raises
    ------
    ConfigError
        When the file cannot be read.
    """
    tree, _ = read(Path(path))
    override_renamed(tree, overrides)
    return tree


def _lay_plan(tree: Tree, origin: str) -> list[str]:
    """Put the event plan that the tree names under what it says itself."""
    events = tree.get("events")
    name = events.get("plan") if isinstance(events, dict) else None
    if not isinstance(events, dict) or not isinstance(name, str):
        return []
    if name not in event_plans.names():
        known = ", ".join(event_plans.names())
        return [f"{origin}: events.plan: expected one of {known}, got {name!r}"]
    for key, preset in event_plans.plan(name).items():
        own = events.get(key)
        if isinstance(preset, dict) and isinstance(own, dict):
            events[key] = preset | own
        elif key not in events:
            events[key] = preset
    return []


def _resolve(tree: Any, place: str, found: list[str]) -> Iterator[Problem]:
    """Replace references, wherever a text has one, by what they refer to; `found` gets to know."""
    for name, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        key = f"{place}.{name}" if place else str(name)
        if isinstance(value, dict | list):
            yield from _resolve(value, key, found)
        elif isinstance(value, str) and "${" in value:
            try:
                tree[name] = Secret(_resolved(value, found))
            except LookupError as error:
                yield Problem(key, str(error.args[0]))


def _resolved(text: str, found: list[str]) -> str:
    rest = REFERENCE.sub("", text)
    if "${" in rest:
        msg = "only references ${env:NAME} and ${file:PATH}, got another one"
        raise LookupError(msg)

    def content(match: re.Match[str]) -> str:
        one = _content(match[1], match[2])
        if len(one) >= _SHORTEST:
            found.append(one)
        return one

    return REFERENCE.sub(content, text)


def _content(kind: str, name: str) -> str:
    if kind == "env":
        if name not in os.environ:
            msg = f"the environment variable {name} to be set"
            raise LookupError(msg)
        return os.environ[name].strip()  # as of a file: many end with a line feed
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # the latter: no UTF-8, or no path
        msg = f"{name} to be a readable text file"
        raise LookupError(msg) from None
