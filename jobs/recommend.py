"""The job: `flink run -pyfs dist/*.whl -pym jobs.recommend --config FILE [--set KEY=VALUE …]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conf.loader import ConfigError, load
from jobs import parameters, transactions
from jobs.environment import environment, may_have_state
from jobs.lease import claim
from jobs.preflight import (
    PreflightError,
    check_one_origin,
    check_there,
    check_topics,
    topic_ids,
)
from jobs.topology import build
from jobs.user import name_user


def main(arguments: Sequence[str]) -> int:
    """Load the configuration, check, build the graph and submit it."""
    parser = argparse.ArgumentParser(prog="jobs.recommend", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see conf/local.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="start although another job writes the same topics; that one then fails",
    )
    options = parser.parse_args(arguments)
    name_user()
    try:
        check_one_origin()
        config = load(options.config, options.overrides)
        parameters.check_store(config)
        check_topics(config)
        check_there(config)
        lease = claim(config, take_over=options.take_over)
        generation = transactions.generation(config, take_over=options.take_over)
    except (ConfigError, PreflightError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    env, sql = environment(config)
    if not may_have_state(env):
        transactions.end_others(config, generation)
    ids = topic_ids(config, parameters.with_offsets(config).values())
    belongs = parameters.lineage(config, lease, ids)
    build(sql, config, lease, belongs, generation=generation)
    env.execute(config.job.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
