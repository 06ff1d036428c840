"""One job that is served, and what stands behind its routes."""

from dataclasses import dataclass

from conf.schema import JobConfig
from jobs.serve.reader import Reader
from jobs.serve.replica.replica import Replica
from jobs.serve.sender import Sender


@dataclass(frozen=True)
class Served:
    """What a service has of one job."""

    replica: Replica
    reader: Reader
    sender: Sender

    @property
    def name(self) -> str:
        """The job's name."""
        return self.replica.config.job.name


def served(config: JobConfig) -> Served:
    """Return a job that nothing has been read of yet.

    Raises
    ------
    conf.client.librdkafka.LoginError
        Where its login means nothing to the client.
    """
    replica = Replica(config)
    return Served(replica, Reader(replica), Sender(config, replica.policy))
