"""Compile the model's loops once, before a worker needs them.

Compiling takes some two minutes of CPU; the machine code lies in a cache that is keyed by what the
source says, so workers that share the cache folder start within seconds.
"""

from collections.abc import Callable
from pathlib import Path

from conf.schema import JobConfig
from scripts.tools.checks.sources import source_digest
from scripts.tools.cluster.paths import cache_dir
from scripts.tools.console import progress


def precompile(config: JobConfig, report: Callable[[str], None] = progress) -> bool:
    """Fill the cache for a configuration's model.

    Returns
    -------
    bool
        False if it was done before for this source.
    """
    stamp = _stamp(config)
    if stamp.exists():
        return False
    report("compiling the model's loops (once for this version, up to two minutes)")
    # imported here: numba alone takes longer than a submission that finds everything compiled
    from jobs import parameters
    from operators.learn_users.rehearsal import rehearse

    rehearse(parameters.learn_users(config))
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return True


def _stamp(config: JobConfig) -> Path:
    learning = config.learning
    model = (learning.ranking if learning.objective == "ranking" else learning.rating).model
    return cache_dir() / "numba" / f"{source_digest()}.{learning.objective}-{model}"
