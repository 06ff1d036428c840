"""The execution environment: every Flink setting that the job itself depends on."""

from collections.abc import Mapping

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from conf.rules import TOLERATED_FAILURES
from conf.schema import JobConfig

_ENTRY_BYTES = 4_096
"""Of a cached user record: bytes, key and Python's own."""


def settings(config: JobConfig) -> dict[str, str]:
    """Return the Flink settings of a job; the cluster's own file holds the rest."""
    flink = config.flink
    return {
        "pipeline.name": config.job.name,
        "pipeline.max-parallelism": str(config.users.buckets),
        "pipeline.object-reuse": "true",
        "parallelism.default": str(flink.parallelism),
        "execution.checkpointing.interval": f"{flink.checkpoint_interval} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        # both say how long a transaction may stay open: conf.rules compares them with its timeout
        "execution.checkpointing.timeout": f"{flink.checkpoint_timeout} ms",
        "execution.checkpointing.tolerable-failed-checkpoints": str(TOLERATED_FAILURES),
        "python.execution-mode": "process",
        "python.fn-execution.bundle.size": str(flink.bundle_size),
        "python.fn-execution.bundle.time": str(flink.bundle_time),
        "python.state.cache-size": str(4 * config.users.buckets),
        "python.map-state.read-cache-size": str(cached_entries(config)),
        "python.map-state.write-cache-size": str(cached_entries(config)),
        "python.map-state.iterate-response-batch-size": "10000",
        # without stable uids SQL operators would lose their state when the graph grows
        "table.exec.uid.generation": "ALWAYS",
        "table.exec.uid.format": "<id>_<type>_<version>_<transformation>",
        "table.local-time-zone": "UTC",
        # a subtask without traffic must not hold up what is trending
        "table.exec.source.idle-timeout": "10 s",
    }


def cached_entries(config: JobConfig) -> int:
    """Return the entries of a bucket that a worker may keep, so that all buckets fit in memory."""
    buckets = -(-config.users.buckets // config.flink.parallelism)
    return max(1_000, config.flink.state_cache // (buckets * _ENTRY_BYTES))


def environment(
    config: JobConfig, extra: Mapping[str, str] | None = None
) -> tuple[StreamExecutionEnvironment, StreamTableEnvironment]:
    """Create the stream and table environments of a job; `extra` settings come on top."""
    configuration = Configuration()
    for name, value in {**settings(config), **(extra or {})}.items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    return env, StreamTableEnvironment.create(env)


def may_have_state(env: StreamExecutionEnvironment) -> bool:
    """Return whether the job may start from state: of a savepoint, or of itself.

    The latter where Flink gave it an id beforehand (application mode): a JobManager that restarts
    submits it once more, and goes on from its last checkpoint.
    """
    settings = get_gateway().jvm.org.apache.flink.runtime.jobgraph.SavepointRestoreSettings
    configuration = env._j_stream_execution_environment.getConfiguration()  # noqa: SLF001
    restores = bool(settings.fromConfiguration(configuration).restoreSavepoint())
    return restores or configuration.toMap().containsKey("$internal.pipeline.job-id")
