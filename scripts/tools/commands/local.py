"""Start, end and look at one Kafka broker and one Flink cluster on this machine."""

import argparse
import time
from pathlib import Path

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG, RUN_DIR
from scripts.tools.cluster.signals import interruptible
from scripts.tools.console import ToolError, answer, progress, run
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress


def main() -> int:
    """Read the command line and do what it asks.

    Returns
    -------
    int
        0, or 3 where `status` finds nothing that answers.
    """
    arguments = _parser().parse_args()
    status: int = arguments.command(arguments)
    return status


def up(arguments: argparse.Namespace) -> int:
    """Start what does not run of broker and cluster, and what keeps them alive; create topics."""
    begin = time.monotonic()
    config = _load(arguments.config)
    local = Local.plan(arguments.run_dir, port_base=arguments.port_base, slots=arguments.slots)
    if local.runs():  # at its own ports and slots, whatever is asked for now
        local = Local.load(arguments.run_dir)
    with interruptible():
        started = local.up()
    if not started:
        progress("already up")
        answer(_addresses(local), as_json=arguments.json)
        return 0
    created = topics.create(config, KafkaAddress.of(config, local.brokers))
    progress(f"created {len(created)} topics" if created else "every topic was there")
    progress(f"up after {time.monotonic() - begin:.1f} s")
    answer(_addresses(local), as_json=arguments.json)
    return 0


def down(arguments: argparse.Namespace) -> int:
    """End everything that `up` and jobs started in this run folder."""
    local = Local.plan(arguments.run_dir)
    ended = local.down(keep_data=arguments.keep_data)
    answer({"processes_ended": ended}, as_json=arguments.json)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Show what runs."""
    if not (arguments.run_dir / "local.json").exists():
        answer({"up": False, "run_dir": str(arguments.run_dir)}, as_json=arguments.json)
        return 3
    found = Local.load(arguments.run_dir).status()
    answer(found, as_json=arguments.json)
    return 0 if found["up"] else 3


def _load(path: Path) -> JobConfig:
    try:
        return load(path)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None


def _addresses(local: Local) -> dict[str, str | int]:
    return {
        "brokers": local.brokers,
        "flink": local.rest_url,
        "slots": local.slots,
        "run_dir": str(local.run_dir),
        "logs": str(local.run_dir / "logs"),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/local",
        description=__doc__,
        epilog="For a machine of one's own: any local user can reach Flink's REST interface on"
        " loopback and run code as you. The run folder is its owner's only.",
    )
    commands = parser.add_subparsers(required=True, metavar="up|down|status")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="folder of this instance (default: .run)"
    )
    shared.add_argument("--json", action="store_true", help="print one JSON object")

    command = commands.add_parser("up", parents=[shared], help=up.__doc__, description=up.__doc__)
    _add_options_of_up(command)
    command.set_defaults(command=up)

    command = commands.add_parser(
        "down", parents=[shared], help=down.__doc__, description=down.__doc__
    )
    command.add_argument(
        "--keep-data",
        action="store_true",
        help="leave topics and checkpoints for the next `up` (logs and savepoints always stay)",
    )
    command.set_defaults(command=down)

    command = commands.add_parser(
        "status",
        parents=[shared],
        help=status.__doc__,
        description=f"{status.__doc__} Exit 3: not up.",
    )
    command.set_defaults(command=status)
    return parser


def _add_options_of_up(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port-base",
        type=int,
        metavar="N",
        help="use ports N to N+3; 0 = any free ones (default: Kafka 9092, Flink 8081)",
    )
    command.add_argument(
        "--slots", type=int, metavar="N", help="task slots (default: usable cores, at most 8)"
    )
    command.add_argument(
        "--config",
        type=Path,
        default=LOCAL_CONFIG,
        metavar="FILE",
        help="configuration that names the topics (default: conf/local.yaml)",
    )


if __name__ == "__main__":
    run(main)
