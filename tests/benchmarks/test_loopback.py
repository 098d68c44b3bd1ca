"""What a ring sends between processes, the line through the medians, and two processes in earnest."""

import pytest

pytestmark = pytest.mark.once


@pytest.fixture
def loopback(script):
    return script("loopback")


@pytest.mark.parametrize(("kind", "megabytes"), [("all-reduce", 3.0), ("all-gather", 6.0)])
def test_what_a_ring_of_four_sends_of_two_megabytes_each(loopback, kind, megabytes):
    assert loopback.sent(kind, 2048, 4) == pytest.approx(megabytes)


@pytest.mark.parametrize("kind", ["all-reduce", "all-gather"])
def test_the_line_is_found(loopback, kind):
    rows = [{"kilobytes": size, "seconds": 0.002 + loopback.sent(kind, size, 4) / 150.0} for size in loopback.KILOBYTES]
    assert loopback.fitted(kind, 4, rows) == pytest.approx((2.0, 150.0), rel=1e-3)
    flat = [{"kilobytes": size, "seconds": 0.002} for size in loopback.KILOBYTES]
    assert loopback.fitted(kind, 4, flat)[1] > 1e4


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_two_processes(loopback, backend, monkeypatch):
    monkeypatch.setattr(loopback, "ROUNDS", type("Flag", (), {"value": 2}))
    found = loopback.measured(backend, 2)
    assert {(row["kind"], row["kilobytes"]) for row in found} == {
        (kind, size) for kind in loopback.KINDS for size in loopback.KILOBYTES
    }
    assert all(0 < row["seconds"] < 60 for row in found)
