"""Presets of `events.*` for the event plans of common tracking tools, one YAML file each."""

from importlib import resources
from typing import Any

import yaml


def names() -> list[str]:
    """Return the names of all plans."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def plan(name: str) -> dict[str, Any]:
    """Return what a plan sets.

    Raises
    ------
    KeyError
        If there is no plan of this name.
    """
    if name not in names():
        raise KeyError(name)
    text = (resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found
