import pytest

from keras_ssl.views.validation import check_probability, check_range, check_size


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_probabilities(value):
    assert check_probability("p", value) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", None, True])
def test_bad_probabilities(value):
    with pytest.raises(ValueError, match=r"`p` must be a number in \[0, 1\]. Received: p="):
        check_probability("p", value)


def test_ranges():
    assert check_range("r", [1, 2.5], 1.0, 3.0) == (1.0, 2.5)
    assert check_range("r", (2, 2), 0.0, float("inf"), above=True) == (2.0, 2.0)


@pytest.mark.parametrize("value", [(2, 1), (0.5, 2), (1, 4), (1,), (1, 2, 3), 1.5, "12", (1, None), (1, float("nan"))])
def test_bad_ranges(value):
    with pytest.raises(ValueError, match=r"`r` must be an ascending pair of numbers in \[1.0, 3.0\]. Received: r="):
        check_range("r", value, 1.0, 3.0)


@pytest.mark.parametrize("value", [(0.0, 1.0), (1.0, float("inf"))])
def test_bounds_that_are_left_out(value):
    with pytest.raises(ValueError, match=r"in \(0.0, inf\]"):
        check_range("r", value, 0.0, float("inf"), above=True)


def test_sizes():
    assert check_size("size", 7) == (7, 7)
    assert check_size("size", [3, 5]) == (3, 5)


@pytest.mark.parametrize("value", [0, -1, 2.0, (3, 0), (1, 2, 3), "32", True, None])
def test_bad_sizes(value):
    with pytest.raises(ValueError, match="`size` must be a positive integer.*Received: size="):
        check_size("size", value)
