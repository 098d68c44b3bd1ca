import pytest

from keras_ssl.schedules import square_root_scaling


def test_values():
    assert square_root_scaling(0.1, 128) == 0.1
    assert square_root_scaling(0.1, 512) == pytest.approx(0.2)
    assert square_root_scaling(0.3, 64, 256) == pytest.approx(0.15)


@pytest.mark.parametrize(
    "name, value",
    [("learning_rate", v) for v in (0.0, -1.0, float("nan"), float("inf"))]
    + [(n, v) for n in ("batch_size", "reference_batch_size") for v in (0, 1.5, float("nan"))],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        square_root_scaling(**{"learning_rate": 0.1, "batch_size": 128, name: value})
