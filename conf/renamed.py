"""Keys of the configuration that have another name now, and are still read by their old one.

Each is read under both names for one version, with a warning; then its line here goes.
"""

from collections.abc import Sequence

from conf.document import Tree, override

RENAMED = {
    "items.tell_interval": "items.delta_interval",
    "items.tell_bytes_per_second": "items.delta_bytes_per_second",
    "learning.ranking.neighbours": "learning.ranking.neighbour_weight",
    "learning.neighbours.neighbours": "learning.neighbours.most_similar",
    "learning.neighbours.places": "learning.neighbours.occurrences",
    "fine_tune.events": "fine_tune.kept_events",
    "fine_tune.keep": "fine_tune.kept_versions",
    "fine_tune.every": "fine_tune.every_time",
    "fine_tune.privacy": "fine_tune.differential_privacy",
}
"""New names by old ones, with dots; sections move as a whole."""


def rename(tree: Tree) -> tuple[dict[str, str], list[str]]:
    """Give keys of a tree their new names, in place.

    Returns
    -------
    found : dict[str, str]
        New names by the old ones that were there.
    lines : list[str]
        What is wrong: a key that is there under both names.
    """
    found: dict[str, str] = {}
    lines: list[str] = []
    for old, new in RENAMED.items():
        section, name = _section(tree, old)
        if section is None or name not in section:
            continue
        after = new.rpartition(".")[2]
        mine, other = section[name], section.get(after)
        if isinstance(mine, dict) and isinstance(other, dict) and not mine.keys() & other.keys():
            section[after] = other | mine
        elif after in section:
            lines.append(f"{old}: expected one name of {new}, got both; leave out {old}")
        else:
            section[after] = mine
        del section[name]
        found[old] = new
    return found, lines


def override_renamed(
    tree: Tree, overrides: Sequence[str], where: str = ""
) -> tuple[dict[str, str], list[str], dict[str, str]]:
    """Put overrides on top of a tree, both with names of now; see `conf.document.override`.

    Returns
    -------
    origins : dict[str, str]
    lines : list[str]
        As of `conf.document.override`, and a line for each key that is there under both names.
    found : dict[str, str]
        New names by the old ones, of the tree and of overrides.
    """
    found, both = rename(tree)
    now = list(map(renamed_override, overrides))
    origins, lines = override(tree, now)
    late, more = rename(tree)  # of sections that an override sets as a whole
    found |= late | {
        old: new
        for text, after in zip(overrides, now, strict=True)
        for old, new in RENAMED.items()
        if text != after and text.strip().startswith(old)
    }
    return origins, [*(f"{where}: {line}" for line in both + more), *lines], found


def renamed_override(text: str) -> str:
    """Return an override `section.key=value` with the name of now.

    >>> renamed_override("fine_tune.privacy.epsilon=3")
    'fine_tune.differential_privacy.epsilon=3'
    """
    key, equals, value = text.partition("=")
    for old, new in RENAMED.items():
        if key.strip() == old or key.strip().startswith(f"{old}."):
            return new + key.strip()[len(old) :] + equals + value
    return text


def _section(tree: Tree, key: str) -> tuple[Tree | None, str]:
    *path, name = key.split(".")
    section: Tree | None = tree
    for part in path:
        inner = section.get(part) if section is not None else None
        section = inner if isinstance(inner, dict) else None
    return section, name
