"""What a training step costs beside the bare maths, counted and not timed: programs, and operations in them."""

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.losses import barlow_twins_loss
from keras_ssl.objectives import BarlowTwins
from tests.objectives.tiny import cheap_views

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts a TensorFlow graph")


class Counted(BarlowTwins):
    """Its Python runs once for each program that is compiled."""

    programs = 0

    def embed(self, batch, step):
        self.programs += 1
        return super().embed(batch, step)


def model_of(kind=BarlowTwins):
    model = kind(ConvNet(widths=(8, 16)), projector=(16, 16), views=cheap_views())
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=keras.backend.backend() == "jax")
    return model


@pytest.mark.slow
def test_fit_compiles_one_program_for_each_shape():
    model = model_of(Counted)
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), "uint8")
    model.fit(images, batch_size=8, epochs=3, verbose=0)
    assert model.programs == 1
    model.fit(images, batch_size=8, verbose=0)
    assert model.programs == 1  # the shape is known
    model.fit(images, batch_size=16, epochs=2, verbose=0)
    # TensorFlow's program of arrays is for batches of any size; JAX's is for one.
    assert model.programs == (1 if keras.backend.backend() == "tensorflow" else 2)


@pytest.mark.slow
@tensorflow_only
def test_the_step_has_the_convolutions_and_products_of_the_bare_maths():
    import tensorflow as tf

    model = model_of()
    views = tuple(tf.zeros((8, 16, 16, 3)) for _ in range(2))

    def bare(first, second):
        with tf.GradientTape() as tape:
            loss = barlow_twins_loss(*(model.projector(model.encoder(v, training=True)) for v in (first, second)))
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def heavy(function, *arguments):
        graph = tf.function(function).get_concrete_function(*arguments).graph
        kinds = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MatMul")
        return {kind: sum(op.type == kind for op in graph.get_operations()) for kind in kinds}

    expected = heavy(bare, *views)
    assert expected["Conv2D"] == 4 and expected["Conv2DBackpropFilter"] == 4
    assert heavy(model.train_step, (views,)) == expected


@pytest.mark.slow
@tensorflow_only
def test_each_batch_norm_is_one_operation_forward_and_one_backward():
    import tensorflow as tf

    model = model_of()
    views = tuple(tf.zeros((8, 16, 16, 3)) for _ in range(2))
    kinds = [op.type for op in tf.function(model.train_step).get_concrete_function((views,)).graph.get_operations()]
    norms = 2 * (2 + 1)  # of two views: two blocks of the encoder, one hidden layer of the projector
    assert kinds.count("FusedBatchNormV3") == kinds.count("FusedBatchNormGradV3") == norms
    # The gradients of sums over a map, which is what a batch norm in parts leaves behind.
    assert kinds.count("Tile") + kinds.count("BroadcastTo") <= 8
