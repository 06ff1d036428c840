"""The Python workers of a cluster's TaskManager."""

import psutil

from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local

_MAIN = "pyflink.fn_execution.beam.beam_boot"


def workers(local: Local) -> list[psutil.Process]:
    """Return the Python workers that run, oldest first."""
    found = [one for one in processes.find(local.run_dir) if _MAIN in _command(one)]
    return sorted(found, key=lambda one: (one.create_time(), one.pid))


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # ended meanwhile
        return []
