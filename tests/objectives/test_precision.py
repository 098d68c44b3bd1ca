"""Under half precision the networks are coarse, and the loss is exact: that of the same embeddings in float32."""

import keras
import numpy as np
import pytest

from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.multi_head import MultiHead
from keras_ssl.precision import dtype_policy
from keras_ssl.training import Step, engine
from tests.objectives.tiny import IMAGES, OBJECTIVES

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 12).astype("int32")
BATCH = {
    "x": RNG.integers(0, 256, (12, 16, 16, 3)).astype("uint8"),
    "y": LABELS,
    "group": LABELS,
    "index": np.arange(12, dtype="int32"),
}


def run(function, argument):
    """What a function gives that is compiled and changes no variable; dicts keep their order."""
    names = []

    def program(argument):
        with keras.StatelessScope():
            result = function(argument)
        names[:] = result
        return result

    argument = {name: keras.ops.convert_to_tensor(value) for name, value in argument.items()}
    if keras.backend.backend() == "jax":
        import jax

        result = jax.jit(program)(argument)
    else:
        import tensorflow as tf

        result = tf.function(program, autograph=False)(argument)
    return {name: keras.ops.convert_to_numpy(result[name]) for name in names}


def losses(model, embeddings):
    step = Step.at(len(BATCH["x"]))
    return run(lambda given: engine.reduce(model, {name: given[name] for name in embeddings}, step).logs, embeddings)


def embedded(model):
    return run(lambda batch: engine.embed(model, *engine.prepare(model, batch, training=True)), BATCH)


def magnified(self, features, training=False, call=MLPHead.call):
    # The heads whose output is an embedding: `phi` of the adaptive heads tells a temperature.
    factor = 1000.0 if self.name.startswith(("projector", "predictor", "head")) else 1.0
    return call(self, features, training=training) * keras.ops.cast(factor, self.compute_dtype)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "moco" else pytest.mark.long) for name in IMAGES]
)
@pytest.mark.parametrize("large", [False, True])
def test_the_loss_is_that_of_float32(name, large, monkeypatch):
    """Also of embeddings 1000 times as long, whose squares float16 does not hold."""
    if large:
        monkeypatch.setattr(MLPHead, "call", magnified)
    with dtype_policy("mixed_float16" if large else "mixed_bfloat16"):
        half = OBJECTIVES[name]()
    full = OBJECTIVES[name]()
    if not isinstance(getattr(half, "projector", None), MLPHead | MultiHead):
        pytest.skip("the conformance suite checks precision where there is no head to magnify")
    full.set_weights(half.get_weights())
    for model in (half, full):
        model.compile(keras.optimizers.SGD(0.1))
    assert half.projector.compute_dtype != full.projector.compute_dtype == "float32"
    embeddings = embedded(half)
    rows = [array for array in embeddings.values() if array.dtype == np.float32 and array.ndim == 2]
    overflows = max(np.square(array).sum(axis=1).max() for array in rows) > np.finfo("float16").max
    assert overflows == large
    got, expected = losses(half, embeddings), losses(full, embeddings)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert got[key].dtype == np.float32 and np.isfinite(value)
        np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-6, err_msg=key)
