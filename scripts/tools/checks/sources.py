"""The sources of the wheel, and a name for them as they are."""

import hashlib
from configparser import ConfigParser
from pathlib import Path

from scripts.tools.cluster.paths import ROOT


def sources(root: Path = ROOT) -> list[Path]:
    """Return what the wheel is made of: the modules and YAML files of the packages in `setup.cfg`.

    Returns
    -------
    list of Path
        Relative to `root`, sorted.
    """
    settings = ConfigParser()
    settings.read(root / "setup.cfg")
    packages = settings["options"]["packages"].split()
    folders = [Path(*package.split(".")) for package in packages]
    kinds = ("*.py", "*.yaml")
    found = [path for folder in folders for kind in kinds for path in (root / folder).glob(kind)]
    return sorted(path.relative_to(root) for path in found)


def source_digest(root: Path = ROOT) -> str:
    """Return a name for the sources as they are: the same content, the same name."""
    return digest(root, sources(root))[:24]


def digest(root: Path, files: list[Path]) -> str:
    """Return a name for the content of some files."""
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path}\0".encode())
        found.update(hashlib.sha256((root / path).read_bytes()).digest())
    return found.hexdigest()
