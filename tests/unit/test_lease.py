"""Of two jobs on the same output topics the one that was submitted last writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.codec import StateError
from state.topics import lease
from state.topics.lease import Lease

LEASES = st.builds(
    Lease,
    run=st.sampled_from("abc"),
    job=st.just("job"),
    epoch=st.integers(0, 3),
    at=st.integers(0, 9),
)


@given(one=LEASES, other=LEASES)
def test_of_two_runs_exactly_one_yields(one: Lease, other: Lease) -> None:
    yields = (one.yields_to(other), other.yields_to(one))
    assert sorted(yields) == ([False, False] if one.run == other.run else [False, True])


def test_a_later_submission_holds() -> None:
    first = Lease(run="z", job="a", epoch=1, at=9)
    second = Lease(run="b", job="b", epoch=2, at=3)
    assert first.yields_to(second)
    assert lease.decode(lease.encode(first)) == first


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"\xff", b'{"version": 2, "run": "a"}'])
def test_what_is_no_lease_is_refused(value: bytes) -> None:
    with pytest.raises(StateError, match=r"lease: expected .*; skip the record"):
        lease.decode(value)


def test_another_version_is_refused() -> None:
    value = lease.encode(Lease(version=2, run="a", job="a", epoch=1, at=1))
    with pytest.raises(StateError, match="expected version 1, got 2"):
        lease.decode(value)
