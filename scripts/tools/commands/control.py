"""Send a command to the running job and wait for its answer."""

import argparse
import json
import time
import uuid
from typing import Any

import yaml
from confluent_kafka import Producer

from conf.schema import JobConfig
from scripts.tools.console import ToolError, answer, run
from scripts.tools.kafka.client import KafkaAddress, consumer, records
from scripts.tools.kafka.target import add_arguments, target
from state.codec import json_codec
from state.topics.control import COMMANDS, ITEM_COMMANDS, USER_COMMANDS

WAIT_SECONDS = 60.0
_FIELDS = ("model", "user", "from", "to", "item", "key", "value")
_NEEDED = {"promote_model": {"model"}, "set": {"key"}, "merge_user": {"from", "to"}}
_AGAIN_SECONDS = 10.0


def send(
    address: KafkaAddress, config: JobConfig, command: str, name: str = "", **fields: Any
) -> str:
    """Write a command and return its id, which is the record's key: `name`, or a new one."""
    name = name or uuid.uuid4().hex
    producer = Producer(address.client({}))
    value = json.dumps({"command": command, **fields}).encode()
    producer.produce(config.kafka.topics.control, key=name.encode(), value=value)
    if producer.flush(30) > 0:
        message = f"{address.brokers}: expected the command stored, got no answer"
        raise ToolError(f"{message}; is the broker up?")
    return name


def wait(
    address: KafkaAddress, config: JobConfig, name: str, seconds: float = WAIT_SECONDS
) -> dict[str, Any]:
    """Return the answer to a command.

    Raises
    ------
    ToolError
        If there is none in time.
    """
    deadline = time.monotonic() + seconds
    topic = config.kafka.topics.control_results
    with consumer(address, [topic], isolation="read_committed") as client:
        while time.monotonic() < deadline:
            for message in records(client, timeout=0.5):
                if message.key() == name.encode():
                    return json_codec.decode_object(message.value(), topic)
    text = f"{topic}: expected an answer within {seconds:g} s, got none; does the job run?"
    raise ToolError(text)


def ask_new_job(
    address: KafkaAddress, config: JobConfig, command: str, **fields: Any
) -> dict[str, Any]:
    """Send a command to a job that has just begun to run and return the answer.

    Its source reads from the end of the topic and may not have looked yet where that is: the
    command is sent again under the same id, which a job carries out once.
    """
    name = send(address, config, command, **fields)
    for _ in range(round(WAIT_SECONDS / _AGAIN_SECONDS) - 1):
        try:
            return wait(address, config, name, _AGAIN_SECONDS)
        except ToolError:
            send(address, config, command, name, **fields)
    return wait(address, config, name, _AGAIN_SECONDS)


def main() -> int:
    """Read the command line, send, and show the answer.

    Returns
    -------
    int
        0, or 1 where the job refused.
    """
    parser = argparse.ArgumentParser(prog="scripts/control", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--model", type=int, metavar="N", help="version for promote_model")
    parser.add_argument("--user", metavar="ID", help="whom a command about a user means")
    parser.add_argument("--item", metavar="ID", help="which item a command about one means")
    parser.add_argument("--from", metavar="ID", help="the guest of merge_user")
    parser.add_argument("--to", metavar="ID", help="the user that the guest is")
    parser.add_argument("--key", help="what set sets: a key of the configuration")
    parser.add_argument(
        "--value", type=_value, help="what it is set to, as YAML has it; without: as in the file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_arguments(parser)
    options = parser.parse_args()
    job = target(options)
    given = vars(options)
    fields = {name: given[name] for name in _FIELDS if given[name] is not None}
    _check(options.command, fields)
    name = send(job.address, job.config, options.command, **fields)
    found = wait(job.address, job.config, name)
    answer(found, as_json=options.json)
    return 0 if found.get("ok") else 1


def _check(command: str, fields: dict[str, Any]) -> None:
    """Refuse a command without what it needs, or with what it does not know."""
    needed = _NEEDED.get(command, set[str]())
    needed = needed | ({"user"} if command in USER_COMMANDS else set())
    needed = needed | ({"item"} if command in ITEM_COMMANDS else set())
    wrong = needed ^ (fields.keys() - ({"value"} if command == "set" else set()))
    for name in sorted(wrong):
        expected = f"--{name} with it, got none" if name in needed else f"no --{name}"
        raise ToolError(f"{command}: expected {expected}; see --help", code=2)


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        message = f"expected YAML, such as 0.1 or [category=Sale], got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


if __name__ == "__main__":
    run(main)
