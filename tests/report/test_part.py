import numpy as np
import pytest

from keras_ssl.report import Part


def test_length_and_types():
    part = Part(np.ones((3, 2), "float16"), np.zeros((3, 4, 4, 3), "uint8"), ["a", "b", "a"])
    assert len(part) == 3 and part.features.dtype == np.float32 and part.labels.tolist() == ["a", "b", "a"]
    assert Part([[1.0]]).labels is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[1.0], [np.nan]],), "NaN or infinity in row 1"),
        (([1.0, 2.0],), r"features.shape=\(2,\)"),
        (([[1.0]], None, [0, 1]), r"labels.shape=\(2,\)"),
        (([[1.0]], None, [0.5]), "labels.dtype=float64"),
        (([[1.0]], np.zeros((2, 4, 4, 3))), r"images.shape=\(2, 4, 4, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Part(*arguments)
