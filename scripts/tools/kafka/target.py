"""Which job, which broker: what the tools that look at a job have in common."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from conf.client import letter_key
from conf.loader import ConfigError, load
from conf.schema import JobConfig
from scripts.tools.cluster import submissions
from scripts.tools.cluster.flink_rest import FlinkRest, FlinkUnreachableError
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG, RUN_DIR
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
        help="configuration of the job (default: as the one that runs in --run-dir was submitted,"
        " else conf/local.yaml; with the local broker's address)",
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--brokers", metavar="HOST:PORT", help="instead of the configuration's")
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="folder of the local cluster (default: .run)"
    )


def target(
    options: argparse.Namespace, flink_url: str | None = None, *, running: bool = True
) -> Target:
    """Return the job that the options mean.

    Parameters
    ----------
    flink_url
        Instead of the local cluster's.
    running
        Whether one is meant that runs: without a file its configuration is as it was submitted.

    Raises
    ------
    ToolError
        With all problems of the configuration.
    """
    local = Local.load(options.run_dir) if (options.run_dir / "local.json").exists() else None
    file = options.config or (_submitted(local) if local and running else None) or LOCAL_CONFIG
    try:
        config = load(file, options.overrides, optional=letter_key.NAMES)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None
    # a file given decides; ours names the usual port only
    brokers = options.brokers or (local.brokers if local and not options.config else None)
    url = flink_url or (local.rest_url if local else "http://127.0.0.1:8081")
    return Target(config, KafkaAddress.of(config, brokers), FlinkRest(url))


def _submitted(local: Local) -> Path | None:
    """Return the configuration of the job that runs on a cluster; None where none or several do."""
    try:
        jobs = [job["jid"] for job in local.flink.rest.running()]
    except FlinkUnreachableError:
        return None
    known = [one for job in jobs if (one := submissions.of_job(local.run_dir, job)) is not None]
    return known[0].configuration(local.run_dir) if len(jobs) == len(known) == 1 else None
