"""The collectives that a compiled program names, and what a ring sends for them."""

import numpy as np
import pytest

HLO = """
  %all-reduce.3 = (f32[32,64]{1,0}, f32[64]{0}) all-reduce(%a, %b), channel_id=1
  %ag = f32[32,128]{1,0} all-gather(%x), channel_id=2, dimensions={1}
  ROOT %r = f32[] all-reduce-start(%y)
  %fusion = f32[9]{0} fusion(%z), kind=kLoop, calls=%all-reduce.3
"""


@pytest.fixture
def communication(script):
    return script("communication")


def test_collectives_are_read_with_their_bytes(communication):
    assert communication.collectives(HLO) == [
        ("all-reduce", 4 * (32 * 64 + 64)),
        ("all-gather", 4 * 32 * 128),
        ("all-reduce", 4),
    ]


@pytest.mark.parametrize(("kind", "share"), [("all-reduce", 1.5), ("all-gather", 0.75), ("reduce-scatter", 3.0)])
def test_what_a_ring_of_four_sends(communication, kind, share):
    assert communication.sent(kind, 100.0, 4) == pytest.approx(100.0 * share)


def test_the_fit_is_exact(communication):
    cases = [communication.Case(n, d, 1, 0.0, 0.0) for n in communication.BATCHES for d in communication.WIDTHS]
    values = [8.0 * c.batch_size * c.width + 3.0 * c.width**2 + 50.0 for c in cases]
    found = communication.fitted(cases, values)
    np.testing.assert_allclose(found, [8.0, 3.0, 0.0, 0.0, 50.0], atol=1e-6)
    assert communication.at(found, 1000, 10) == pytest.approx(80_350.0)
    assert communication.shown(found) == "8 N D + 3 D^2 + 50"


def test_the_smaller_of_two_matrices_is_told_from_the_one_of_all_pairs(communication):
    cases = [communication.Case(n, d, 1, 0.0, 0.0) for n in communication.BATCHES for d in communication.WIDTHS]
    found = communication.fitted(cases, [6.0 * min(c.batch_size, c.width) ** 2 for c in cases])
    assert communication.shown(found) == "6 min(N, D)^2"
    assert communication.at(found, 32_768, 1024) == pytest.approx(6.0 * 1024**2)
    pairs = communication.fitted(cases, [6.0 * c.batch_size**2 for c in cases])
    assert communication.shown(pairs) == "6 N^2"
