"""Users and the job, each answering the other, until the time is over and all is decided."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from conf.schema import JobConfig
from scripts.tools.cluster.instance import Local
from scripts.tools.commands.demo_audience import Audience
from scripts.tools.commands.demo_console import DemoConsole
from scripts.tools.commands.demo_feedback_curve import Curve
from scripts.tools.commands.demo_job import insist_on_running
from scripts.tools.commands.demo_play import LOOK_SECONDS, READY_SECONDS, STALL_SECONDS
from scripts.tools.commands.demo_view import View
from scripts.tools.console import ToolError
from scripts.tools.kafka.observer import Observer
from scripts.tools.kafka.sender import Live


@dataclass(frozen=True)
class FeedbackPlay:
    """Lists from a running job to its users, and what they do to the job."""

    local: Local
    job: str
    config: JobConfig
    live: Live
    watch: Observer
    view: View
    audience: Audience
    curve: Curve
    console: DemoConsole | None = None

    def run(self, seconds: int) -> float:
        """Let users come for some time, and wait until each impression is decided.

        Returns
        -------
        float
            Seconds from the first event until the first ones were learnt.

        Raises
        ------
        ToolError
            With the root cause, if the job fails or stands still.
        """
        begin = time.monotonic()
        self.live.send(self.audience.arrive(_now_ms()))
        self.live.flush()
        self._insist(self._accounted, READY_SECONDS)
        ready = time.monotonic() - begin
        self.view.say(f"first {self.live.sent:,} events processed after {ready:.1f} s")
        self._come(seconds)
        self._insist(self._accounted, STALL_SECONDS)
        window_s = self._window_ms / 1000
        self._wait(self._decided, 5 + window_s + 3 * self.config.flink.checkpoint_interval / 1000)
        self._wait(self._measured, 5 + 2 * self.config.metrics.window / 1000)
        return ready

    def _come(self, seconds: int) -> None:
        self.view.say(f"users see lists and click for {seconds:,} s")
        begin = time.monotonic()
        self.curve.begin(_now_ms())
        self.watch.seen.fresh_since_ms = _now_ms()
        while (passed := time.monotonic() - begin) < seconds:
            self.live.send(self.audience.come(passed, _now_ms()))
            self._look(f"{passed:.0f} of {seconds:,} s")
        self.live.flush()

    def _look(self, passed: str = "") -> None:
        self.watch.look(LOOK_SECONDS)
        insist_on_running(self.local, self.job)
        if self.console is not None and self.watch.seen.recommendations:
            self.console.announce()
        rates = (
            (arm, self.curve.recent(arm, _now_ms(), self._window_ms).rate)
            for arm in self.curve.arms
        )
        told = ", ".join(f"{arm} {rate:.3f}" for arm, rate in rates if rate is not None)
        self.view.facts = [
            *([("users' time", passed)] if passed else []),
            ("impressions", f"{self.audience.shown:,}, {self.curve.decided:,} decided"),
            ("click-through", told or "nothing decided yet"),
        ]
        self.view.show(self.live.sent, self.watch.seen)

    def _insist(self, done: Callable[[], bool], seconds: float) -> None:
        if not self._wait(done, seconds):
            cause = self.local.flink.rest.root_cause(self.job) or "the job did not fail"
            consumed = self.watch.seen.metrics.totals().consumed
            message = f"job {self.job}: expected {self.live.sent:,} events accounted for, got"
            raise ToolError(f"{message} {consumed:,} and no progress for {seconds:.0f} s: {cause}")

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Look on until done (True), or until nothing has changed for some seconds (False)."""
        since, before = time.monotonic(), (-1, -1)
        while not done():
            self._look()
            now = (self.watch.seen.metrics.totals().consumed, self.curve.decided)
            if now != before:
                since, before = time.monotonic(), now
            if time.monotonic() - since > seconds:
                return False
        return True

    @property
    def _window_ms(self) -> int:
        return self.config.feedback.window + self.config.feedback.lateness

    def _accounted(self) -> bool:
        return self.watch.seen.metrics.totals().consumed >= self.live.sent

    def _decided(self) -> bool:
        return self.curve.decided >= self.audience.shown

    def _measured(self) -> bool:
        metrics = self.watch.seen.metrics
        return metrics.counted("consumed") >= metrics.totals().consumed


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
