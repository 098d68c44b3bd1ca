import keras
import numpy as np
import pytest

from keras_ssl.training.finite_watch import FiniteWatch

GOOD = np.ones((3, 2), "float32")


def bad(value=np.nan):
    return np.array([[1.0, value]], "float32")


def note(watch, x=GOOD, z=GOOD, loss=1.0, gradients=(GOOD, None, GOOD)):
    watch.note(x, {"z": z, "y": np.arange(3)}, {"loss": keras.ops.convert_to_tensor(loss)}, list(gradients))


@pytest.mark.parametrize(
    ("parts", "first"),
    [
        ({}, None),
        ({"x": bad(), "z": bad(), "loss": np.inf}, "the input `x`"),
        ({"x": (GOOD, bad(np.inf))}, "the input `x[1]`"),
        ({"x": np.ones((2, 2), "uint8"), "z": bad(), "gradients": [bad()]}, "the embedding `z`"),
        ({"loss": -np.inf, "gradients": [bad()]}, "the logged `loss`"),
        ({"gradients": [bad(), None, bad(), GOOD]}, 2),
        ({"gradients": [bad(), None, GOOD]}, 0),
    ],
)
def test_the_first_in_the_order_of_computation(parts, first):
    watch = FiniteWatch()
    note(watch, **parts)
    assert watch.first_bad() == first


def test_the_first_bad_step_counts():
    watch = FiniteWatch()
    note(watch)
    note(watch, gradients=[GOOD, bad()])
    note(watch, x=bad(), z=bad())
    assert watch.first_bad() == 1
    watch.flags.reset_state()
    assert watch.first_bad() is None


def test_gradients_may_be_left_out_and_room_is_limited():
    watch = FiniteWatch()
    watch.note(GOOD, {}, {}, None)
    assert watch.first_bad() is None
    with pytest.raises(ValueError, match="Received: 201 tensors"):
        watch.note(GOOD, {str(number): GOOD for number in range(200)}, {}, None)
