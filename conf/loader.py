"""File and overrides to a checked `JobConfig`.

The only module that reads the environment, and only where the configuration refers to it.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from conf import event_plans
from conf.document import Tree, override, read
from conf.problems import ConfigError, problems_of, without
from conf.schema import JobConfig
from conf.secrets import REFERENCE, Secret
from conf.section import Problem

__all__ = ["ConfigError", "load", "written"]


def load(path: Path | str, overrides: Sequence[str] = ()) -> JobConfig:
    """Return the configuration of a YAML file, with overrides like `"recommend.k=20"` on top.

    Raises
    ------
    ConfigError
        With every problem of the file, its values, its references and the rules between keys,
        one a line: `FILE: section.key: expected …, got …; did you mean '…'?`
    """
    tree, lines = read(Path(path))
    origins, misunderstood = override(tree, overrides)
    misunderstood += _lay_plan(tree, str(path))
    missing = list(_resolve(tree, ""))
    problems = missing + problems_of(without(tree, [problem.key for problem in missing]))
    lines += misunderstood
    lines += [problem.text(origins.get(problem.key, str(path))) for problem in problems]
    if lines:
        raise ConfigError(lines)
    return JobConfig.model_validate(tree)


def written(path: Path | str, overrides: Sequence[str] = ()) -> Tree:
    """Return a file with overrides laid on, as one writes it: references are not resolved.

    Raises
    ------
    ConfigError
        When the file cannot be read.
    """
    tree, _ = read(Path(path))
    override(tree, overrides)
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


def _resolve(tree: Any, place: str) -> Iterator[Problem]:
    """Replace references, wherever a text has one, by what they refer to."""
    for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        key = f"{place}.{name}" if place else str(name)
        if isinstance(value, dict | list):
            yield from _resolve(value, key)
        elif isinstance(value, str) and "${" in value:
            try:
                tree[name] = Secret(_resolved(value))
            except LookupError as error:
                yield Problem(key, str(error.args[0]))


def _resolved(text: str) -> str:
    rest = REFERENCE.sub("", text)
    if "${" in rest:
        msg = "only references ${env:NAME} and ${file:PATH}, got another one"
        raise LookupError(msg)
    return REFERENCE.sub(lambda match: _content(match[1], match[2]), text)


def _content(kind: str, name: str) -> str:
    if kind == "env":
        if name not in os.environ:
            msg = f"the environment variable {name} to be set"
            raise LookupError(msg)
        return os.environ[name].strip()  # as of a file: many end with a line feed
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        msg = f"{name} to be a readable text file"
        raise LookupError(msg) from None
