import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.precision import dtype_policy
from keras_ssl.testing.half_operations import half_operations
from tests.testing.test_check_objective import Sound

BATCH = {"x": np.zeros((4, 8, 8, 3), "uint8")}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class CastsDown(Sound):
    """Calls a layer of the mixed policy where losses are computed, in a branch of one case."""

    def __init__(self, encoder, place="objective", **kwargs):
        super().__init__(encoder, **kwargs)
        self.place = place
        self.layer = keras.layers.Dense(3)
        self.layer.build((None, self.width))
        self.seen = self.add_weight(name="seen", shape=(), initializer="zeros", trainable=False)

    def objective(self, embeddings, step):
        loss, logs = super().objective(embeddings, step)
        return loss + self.extra(embeddings["z1"], "objective"), logs

    def after_step(self, embeddings, updated, step):
        self.seen.assign(self.extra(embeddings["z1"], "after_step"))

    def extra(self, z, place):
        if self.place != place:
            return 0.0
        branches = (lambda: keras.ops.cast(keras.ops.sum(self.layer(z)), "float32"), lambda: 0.0 * keras.ops.sum(z))
        return keras.ops.cond(keras.ops.sum(z) > 0, *branches)


@pytest.mark.parametrize(
    ("place", "half"),
    [("objective", "mixed_bfloat16"), ("after_step", "mixed_float16"), ("nowhere", "mixed_float16")],
)
def test_finds_what_is_cast_down_and_changes_nothing(place, half):
    with dtype_policy(half):
        model = CastsDown(keras_ssl.encoders.ConvNet(widths=(4,)), place)
    model.compile(keras.optimizers.SGD(0.1))
    start = model.get_weights()
    found = half_operations(model, BATCH)
    wanted = {"tensorflow": "MatMul", "jax": "dot_general"}[keras.backend.backend()]
    assert (wanted in found) if place != "nowhere" else (found == [])
    for weight, old in zip(model.get_weights(), start, strict=True):
        np.testing.assert_array_equal(weight, old)
