"""Checks on the submitting machine, before anything runs on the cluster."""

import importlib
from pathlib import Path

PACKAGES = ("conf", "jobs", "models", "operators", "state")


class PreflightError(Exception):
    """The job would not run as it was built: mend what the message names and submit again."""


def check_one_origin() -> None:
    """Refuse to start when the five packages do not come from one place.

    A stray `models/` folder in the working directory would silently replace the shipped one.
    """
    roots: dict[str, Path] = {}
    for package in PACKAGES:
        file = importlib.import_module(package).__file__
        if file is None:
            msg = (
                f"preflight: expected the package {package}, got a bare folder; rename that folder"
            )
            raise PreflightError(msg)
        roots[package] = Path(file).resolve().parent.parent
    expected = roots["jobs"]
    strays = [f"{package} from {root}" for package, root in roots.items() if root != expected]
    if strays:
        msg = (
            f"preflight: expected all packages from {expected}, got {', '.join(strays)}; "
            "submit from another folder or set PYTHONSAFEPATH=1"
        )
        raise PreflightError(msg)
