"""The job without its model, for `scripts/benchmark`: same sources, windows, loop and accounting.

Unless `recommend.enabled=false`, every user of a micro-batch is answered with an empty list. So it
starts on empty output topics only, and ends where a job writes them later.

`flink run -pyfs dist/*.whl -pym jobs.ingest --config FILE [--set KEY=VALUE …]`
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conf.loader import ConfigError, load
from jobs.environment import environment
from jobs.preflight import (
    PreflightError,
    check_one_origin,
    check_there,
    check_topics,
    check_unused,
)
from jobs.topology import build_ingest
from jobs.user import name_user


def main(arguments: Sequence[str]) -> int:
    """Load the configuration, build the graph and submit it."""
    parser = argparse.ArgumentParser(prog="jobs.ingest", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see conf/local.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    options = parser.parse_args(arguments)
    name_user()
    try:
        check_one_origin()
        config = load(options.config, options.overrides)
        check_topics(config)
        check_there(config, pipe=True)
        check_unused(config)
    except (ConfigError, PreflightError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    env, sql = environment(config)
    build_ingest(sql, config)
    env.execute(config.job.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
