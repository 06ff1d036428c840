"""A YAML file, and overrides on top of it, as one tree of plain values."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from conf.problems import ConfigError

Tree = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also notes keys that are written twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[str] = []

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001  # inherited
    ) -> dict[Hashable, Any]:
        """Return the mapping; the last of equal keys wins, as YAML has it."""
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                before = seen[key.value]
                self.duplicates.append(
                    f"{key.value}: expected a key once, got it in lines {before} and {line}"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def read(path: Path) -> tuple[Tree, list[str]]:
    """Return a file's tree, and a line for each key that is written twice.

    Raises
    ------
    ConfigError
        When the file cannot be read, or is not a YAML mapping.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        tree = loader.get_single_data()
    except OSError as error:
        raise ConfigError([f"{path}: expected a readable file, got: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: expected UTF-8 text, got: {error.reason}"]) from None
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise ConfigError([f"{path}: expected YAML, got: {text}"]) from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        kind = type(tree).__name__
        raise ConfigError([f"{path}: expected a mapping of sections, got a {kind}"])
    sections = {str(name): {} if part is None else part for name, part in tree.items()}
    return sections, [f"{path}: {duplicate}" for duplicate in loader.duplicates]


def override(tree: Tree, overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Put overrides `section.key=value` into the tree, in their order.

    Returns
    -------
    origins : dict[str, str]
        Which override set which key.
    lines : list[str]
        A line for each override that cannot be understood.
    """
    origins: dict[str, str] = {}
    lines: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        try:
            put = bool(equals) and _put(tree, _path(key), yaml.safe_load(value))
        except yaml.YAMLError:
            put = False
        if put:
            origins[key] = text
        else:
            lines.append(f"{text}: expected section.key=value with a YAML value")
    return origins, lines


def _path(key: str) -> list[str]:
    """Return the parts of a dotted key; names of Kafka properties have dots of their own."""
    parts = key.split(".")
    return [*parts[:2], ".".join(parts[2:])] if key.startswith("kafka.properties.") else parts


def _put(tree: Tree, path: list[str], value: object) -> bool:
    *parents, leaf = path
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            return False
    tree[leaf] = value
    return all(path)
