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


@pytest.mark.parametrize(("exponent", "first"), [(15, None), (-16, None), (-17, 1)])
def test_under_loss_scaling_gradients_count_when_the_scale_is_at_its_end(exponent, first):
    watch = FiniteWatch()
    watch.note(GOOD, {}, {}, [GOOD, bad()], keras.ops.convert_to_tensor(2.0**exponent))
    assert watch.first_bad() == first
    watch.note(GOOD, {"z": bad()}, {}, [GOOD, bad()], keras.ops.convert_to_tensor(1.0))
    assert watch.first_bad() == ("the embedding `z`" if first is None else first)


def test_room_is_limited():
    with pytest.raises(ValueError, match="Received: 201 tensors"):
        FiniteWatch().note(GOOD, {str(number): GOOD for number in range(200)}, {}, [])
