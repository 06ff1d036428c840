"""The user as whom the job is submitted; in a container it may have neither a name nor a home."""

import getpass
import os


def name_user() -> None:
    """Give a user without an entry in `passwd` a name: PyFlink asks for one before it starts."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
