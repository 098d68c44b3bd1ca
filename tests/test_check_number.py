"""The one check of a number: what it takes, and what it says of the rest."""

import numpy as np
import pytest

from keras_ssl.check_number import check_number

pytestmark = pytest.mark.once


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), -1, 2.5, "1", None, True, 1j])
def test_refuses(wrong):
    with pytest.raises(ValueError) as caught:
        check_number("share", wrong, 0.0, 2.0)
    assert str(caught.value) == f"`share` must lie in [0, 2]. Received: share={wrong!r}"


@pytest.mark.parametrize(
    ("bounds", "wrong", "wanted"),
    [
        ({}, None, "be a finite number"),
        ({"lowest": 0.5}, 0.4, "be a finite number of at least 0.5"),
        ({"lowest": 0.5, "above": True}, 0.5, "be a finite number greater than 0.5"),
        ({"highest": 0.5}, 0.6, "be a finite number of at most 0.5"),
        ({"highest": 0.5, "below": True}, 0.5, "be a finite number less than 0.5"),
        ({"lowest": 0, "highest": 1, "above": True}, 0, r"lie in (0, 1]"),
        ({"lowest": 0, "highest": 1, "below": True}, 1, r"lie in [0, 1)"),
    ],
)
def test_says_what_it_wants(bounds, wrong, wanted):
    with pytest.raises(ValueError) as caught:
        check_number("a", wrong, **bounds)
    assert str(caught.value) == f"`a` must {wanted}. Received: a={wrong!r}"
    assert check_number(
        "a", 0.5 if not {"above", "below"} & set(bounds) else 0.75 if "above" in bounds else 0.25, **bounds
    )


def test_bounds_belong_to_the_range_unless_it_is_open():
    assert check_number("a", 0, 0.0) == 0.0 and check_number("a", 2, 0.0, 2.0) == 2.0


@pytest.mark.parametrize("given", [3, np.int64(3), np.float32(3), np.float64(3)])
def test_gives_a_float(given):
    found = check_number("a", given)
    assert type(found) is float and found == 3.0
