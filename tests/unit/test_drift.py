"""The drift alarm: it receives a rise, not noise and not an improvement, and can be restored."""

import numpy as np

from operators.fine_tune.drift import KEPT, DriftAlarm


def losses(*levels: float, each: int = 60) -> list[float]:
    random = np.random.default_rng(1)
    return [level + random.normal(0, 0.15) for level in levels for _ in range(each)]


def alarms(told: list[float]) -> list[int]:
    alarm = DriftAlarm()
    return [n for n, loss in enumerate(told) if alarm.tell(loss)]


def test_a_rise_raises_the_alarm_soon() -> None:
    first = alarms(losses(5.5, 8.5))[0]
    assert 60 <= first < 90


def test_noise_and_improvement_are_not() -> None:
    assert alarms(losses(5.5, each=400)) == []
    assert alarms(losses(8.5, 5.5)) == []


def test_a_rise_is_received_although_the_first_losses_were_higher() -> None:
    told = [8.5] * 300 + losses(5.5, 6.5, each=300)
    first = alarms(told)[0]
    assert 600 <= first < 630
    assert alarms(told[:600]) == []


def test_a_rise_is_received_after_any_calm() -> None:
    for calm in (60, 1_000, 5_000):
        first = alarms(losses(5.5, each=calm) + losses(6.5, each=60))[0]
        assert calm <= first < calm + 20


def test_false_alarms_are_rare() -> None:
    found = {}
    for deviation in (0.15, 0.35, 0.5):
        random = np.random.default_rng(2)
        streams = (random.normal(5.5, deviation, 2_000).tolist() for _ in range(40))
        found[deviation] = sum(bool(alarms(told)) for told in streams)
    assert (found[0.15], found[0.35]) == (0, 0)
    assert found[0.5] <= 16


def test_a_restored_alarm_knows_what_the_lost_one_did() -> None:
    told = [8.5] * 300 + losses(5.5, 6.0, each=500)
    one, restored = DriftAlarm(told[:700]), DriftAlarm(told[700 - KEPT : 700])
    received = [[n for n, loss in enumerate(told[700:]) if a.tell(loss)] for a in (one, restored)]
    assert received[0][0] == received[1][0]


def test_a_restored_alarm_hears_what_the_lost_one_would_have() -> None:
    told = losses(5.5, 8.5)
    (first, *_) = alarms(told)
    restored = DriftAlarm(told[:first])
    assert restored.tell(told[first])
