"""Build the wheel that a cluster runs, into `dist/`, when its sources have changed."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.tools.checks.sources import digest, sources
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import ToolError, answer, run

_PROJECT_FILES = ("setup.cfg", "pyproject.toml", "LICENSE")
_MODE, _UMASK = 0o644, 0o022  # under umask 077 too: other users' clusters read the wheel
_BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def build(root: Path = ROOT, *, force: bool = False) -> Path:
    """Return the wheel of the sources as they are, built only if there is none.

    Built from a copy: leftovers of earlier builds cannot get in, and nothing is left behind.

    Raises
    ------
    ToolError
        If setuptools fails.
    """
    dist, files = root / "dist", [*map(Path, _PROJECT_FILES), *sources(root)]
    stamp, name = dist / ".inputs", digest(root, files)
    wheels = sorted(dist.glob("streamrec-*.whl"))
    if not force and len(wheels) == 1 and stamp.exists() and stamp.read_text() == name:
        return wheels[0]
    for old in wheels:
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            target = Path(folder) / "source" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, target)
            target.chmod(_MODE)
        _build_wheel(Path(folder) / "source", Path(folder))
        built = next(Path(folder).glob("*.whl"))
        dist.mkdir(exist_ok=True)
        wheel = Path(shutil.move(built, dist / built.name))
    stamp.write_text(name)
    return wheel


def _build_wheel(source: Path, target: Path) -> None:
    reproducible = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980: the same sources, the same bytes
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(target)],
        cwd=source,
        env=os.environ | reproducible,
        umask=_UMASK,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ToolError(f"setup.cfg: expected a wheel from setuptools, got {last}; mend setup.cfg")


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="scripts/build", description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    wheel = build(force=arguments.force)
    answer({"wheel": str(wheel)}, as_json=arguments.json)


if __name__ == "__main__":
    run(main)
