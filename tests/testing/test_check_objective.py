"""The conformance suite finds what it is there to find: each planted fault is named by its check."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing import check_objective
from keras_ssl.testing.check_objective import ConformanceError
from tests.objectives.tiny import cheap_views, encoder


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Sound(keras_ssl.SSLModel):
    """A small objective that keeps every contract: mean squared distance of two standardized projections."""

    def __init__(self, encoder, width=6, **kwargs):
        super().__init__(encoder, **kwargs)
        self.width = width
        # No shift: it would cancel in the difference, and its gradient with it.
        self.head = keras_ssl.layers.MLPHead((width,), output_norm="scale", name="head")
        self.head.build((None, self.feature_dim))

    def default_views(self):
        return cheap_views()

    def embed(self, batch, step):
        views = self.make_views(batch, step)[:2]
        z1, z2 = (self.head(self.encoder(view, training=step.training), training=step.training) for view in views)
        return {"z1": z1, "z2": z2}

    def objective(self, embeddings, step):
        return keras.ops.mean(keras.ops.square(embeddings["z1"] - embeddings["z2"])), {}

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Forgetful(Sound):
    def get_config(self):
        return {**super().get_config(), "width": 5}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Disconnected(Sound):
    def __init__(self, encoder, **kwargs):
        super().__init__(encoder, **kwargs)
        self.idle = self.add_weight(name="idle", shape=(3,), initializer="ones")


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Overflowing(Sound):
    def embed(self, batch, step):
        embeddings = super().embed(batch, step)
        return {**embeddings, "z1": embeddings["z1"] * keras.ops.cast(1e38, embeddings["z1"].dtype)}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Hasty(Sound):
    """Counts steps that loss scaling skips."""

    def __init__(self, encoder, **kwargs):
        super().__init__(encoder, **kwargs)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def after_step(self, embeddings, updated, step):
        self.count.assign_add(1.0)


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Amnesiac(Sound):
    """Keeps its state where Keras does not save it."""

    calls = 0

    def objective(self, embeddings, step):
        Amnesiac.calls += 1
        loss, logs = super().objective(embeddings, step)
        return loss * float(Amnesiac.calls), logs


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Deaf(Sound):
    """Adds noise of its own to a constant input, so that collapse does not show."""

    def embed(self, batch, step):
        embeddings = super().embed(batch, step)
        noise = step.stream().normal((self.width,))
        return {"noisy": keras.ops.cast(embeddings["z1"], "float32") + noise, **embeddings}


HERE = ("config", "file", "gradient", "jit", "precision", "resume", "collapse")


@pytest.mark.long  # as two of the library's do in tests/objectives/test_conformance.py
def test_a_sound_objective_passes():
    check_objective(lambda: Sound(encoder()), checks=HERE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Forgetful, "config"),
        (Disconnected, "gradient"),
        (Overflowing, "precision"),
        (Hasty, "precision"),
        (Amnesiac, "resume"),
        (Deaf, "collapse"),
    ],
)
def test_a_fault_is_named(fault, check):
    with pytest.raises(ConformanceError, match=f"check `{check}`"):
        check_objective(lambda: fault(encoder()), checks=[check])


def test_unknown_checks_are_refused():
    with pytest.raises(ValueError, match="Received: checks=.*speed"):
        check_objective(lambda: Sound(encoder()), checks=["speed"])


def test_compared_weights_must_move_alike():
    from keras_ssl.testing.check_objective import compare_recordings
    from keras_ssl.testing.run_steps import Recording

    start, end = [np.zeros(3)], [np.full(3, 1e-4)]
    right = Recording(np.ones(2), end, start, [np.ones(3)])
    compare_recordings("objective", "replicas", right, right)
    with pytest.raises(ConformanceError, match="weight 0"):  # a gradient twice too large, though tiny
        compare_recordings("objective", "replicas", Recording(np.ones(2), [2 * end[0]], start, [np.ones(3)]), right)
    with pytest.raises(ConformanceError, match="gradient 0"):  # which a weight would not show
        compare_recordings("objective", "replicas", Recording(np.ones(2), end, start, [np.full(3, 1.0002)]), right)
