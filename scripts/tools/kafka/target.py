"""Which job, which broker: what the tools that look at a job have in common."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from scripts.tools.cluster.flink_rest import FlinkRest
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import ROOT, RUN_DIR
from scripts.tools.console import ToolError
from scripts.tools.kafka.client import KafkaAddress


@dataclass(frozen=True)
class Target:
    """A job's configuration, and where its broker and cluster are."""

    config: JobConfig
    address: KafkaAddress
    flink: FlinkRest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which job."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration of the job (default: conf/local.yaml, with the local broker's address)",
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--brokers", metavar="HOST:PORT", help="instead of the configuration's")
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="folder of the local cluster (default: .run)"
    )


def target(options: argparse.Namespace, flink_url: str | None = None) -> Target:
    """Return the job that the options mean.

    Raises
    ------
    ToolError
        With all problems of the configuration.
    """
    try:
        config = load(options.config or ROOT / "conf" / "local.yaml", options.overrides)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None
    local = Local.load(options.run_dir) if (options.run_dir / "local.json").exists() else None
    # a file given decides; ours names the usual port only
    brokers = options.brokers or (local.brokers if local and not options.config else None)
    url = flink_url or (local.rest_url if local else "http://127.0.0.1:8081")
    return Target(config, KafkaAddress.of(config, brokers), FlinkRest(url))
