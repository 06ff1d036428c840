"""Settings of Kafka clients, from the job's configuration."""

from collections.abc import Mapping
from typing import Any

from conf.client.bootstrap import without_blanks
from conf.client.librdkafka import librdkafka
from conf.schema import JobConfig


def client(config: JobConfig, settings: Mapping[str, object]) -> dict[str, Any]:
    """Return the settings of one client, which logs nothing but emergencies."""
    return {
        "bootstrap.servers": without_blanks(config.kafka.bootstrap_servers),
        "log_level": 2,
        **librdkafka(config.kafka.properties),
        **settings,
    }
