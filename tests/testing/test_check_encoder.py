import keras
import numpy as np
import pytest

from keras_ssl.encoders.conv_net import ConvNet
from keras_ssl.testing.check_encoder import check_encoder

SHAPE = (8, 8, 3)


@keras.saving.register_keras_serializable(package="tests")
class Encoder(keras.Model):
    """A subclassed encoder that is right; each test below breaks one thing in it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flat = keras.layers.Flatten(name="flat")
        self.hidden = keras.layers.Dense(6, activation="tanh", name="hidden")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.out = keras.layers.Dense(4, name="out")

    def build(self, input_shape):
        features = int(np.prod(input_shape[1:]))
        self.hidden.build((None, features))
        self.norm.build((None, 6))
        self.out.build((None, 6))

    def call(self, x, training=None):
        return self.out(self.norm(self.hidden(self.flat(x)), training=training))


def broken(**methods):
    """A registered subclass of `Encoder` with these methods."""
    cls = type("Broken", (Encoder,), methods)
    return keras.saving.register_keras_serializable(package="tests")(cls)


def functional():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, activation="elu")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.slow
def test_passes_what_is_right():
    check_encoder(functional(), SHAPE)
    check_encoder(lambda: Encoder(name="encoder"), SHAPE, stable_names=True)


def test_leaves_the_encoder_as_it_was():
    encoder = ConvNet((4, 8))
    x = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")
    encoder(x, training=True)
    before = encoder.get_weights()
    check_encoder(encoder, SHAPE, stable_names=True)
    for a, b in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert keras.config.dtype_policy().name == "float32"


def fails(check, encoder, match="", **options):
    with pytest.raises(ValueError, match=f"^check_encoder, {check}: .*{match}"):
        check_encoder(encoder, SHAPE, **options)


def test_what_is_not_a_model():
    fails("output", lambda: keras.layers.Dense(3), match="keras.Model")


def test_a_feature_map():
    inputs = keras.Input(SHAPE)
    fails("output", keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs)), match=r"shape=\(4, 6, 6, 4\)")


def test_several_outputs():
    fails("output", broken(call=lambda self, x, training=None: {"a": self.flat(x)})(), match="dict")


def test_integers():
    def call(self, x, training=None):
        return keras.ops.cast(Encoder.call(self, x, training), "int32")

    fails("output", broken(call=call)(), match="int32")


def test_features_that_are_not_finite():
    def call(self, x, training=None):
        return Encoder.call(self, x, training) / 0.0

    fails("output", broken(call=call)(), match="finite")


def test_noise_at_inference():
    def __init__(self, **kwargs):
        Encoder.__init__(self, **kwargs)
        self.dropout = keras.layers.Dropout(0.5)

    def call(self, x, training=None):
        return Encoder.call(self, self.dropout(x, training=True), training)

    fails("output", broken(__init__=__init__, call=call)(), match="second call")


def test_weights_that_change_at_inference():
    def call(self, x, training=None):
        y = Encoder.call(self, x, training)
        self.norm.moving_variance.assign(self.norm.moving_variance * (1.0 + 1e-7))
        return y

    fails("built", broken(call=call)(), match="moving_variance")


def test_automatic_names():
    fails("names", functional, match="conv2d.*name its layer", stable_names=True)


def test_repeated_paths():
    def make():
        inputs = keras.Input(SHAPE)
        part = keras.Input((None, None, 3))
        parts = [keras.Model(part, keras.layers.Conv2D(3, 3, use_bias=False, name="conv")(part)) for _ in range(2)]
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(parts[1](parts[0](inputs))))

    fails("names", make, match="several weights have the path conv/kernel", stable_names=True)


def test_a_config_that_forgets_an_argument():
    def __init__(self, width=6, **kwargs):
        keras.Model.__init__(self, **kwargs)
        self.flat = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(width)
        self.built = True

    def build(self, input_shape):
        self.hidden.build((None, int(np.prod(input_shape[1:]))))

    methods = {
        "__init__": __init__,
        "build": build,
        "call": lambda self, x, training=None: self.hidden(self.flat(x)),
        "get_config": lambda self: {"name": self.name},
    }
    fails("config", broken(**methods)(width=7))


def test_what_cannot_be_saved():
    def save_own_variables(self, store):
        raise OSError("no room")

    fails("saving", broken(save_own_variables=save_own_variables)(), match="no room")


def test_an_image_that_depends_on_its_batch():
    def call(self, x, training=None):
        y = Encoder.call(self, x, training)
        return y - keras.ops.mean(y, axis=0, keepdims=True)

    fails("batch of one", broken(call=call)(), match="differ")


def test_features_that_grow_with_the_image():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    fails("input size", keras.Model(inputs, keras.layers.Reshape((-1,))(x)), match=r"\(16, 16, 3\)")


def test_a_weight_without_gradient():
    def call(self, x, training=None):
        return self.out(self.norm(keras.ops.stop_gradient(self.hidden(self.flat(x))), training=training))

    fails("gradient", broken(call=call)(), match="hidden")


def test_batch_norm_that_is_never_told_of_training():
    def call(self, x, training=None):
        return self.out(self.norm(self.hidden(self.flat(x)), training=False))

    fails("batch statistics", broken(call=call)(), match="norm")


@pytest.mark.slow
def test_overflow_in_half_precision():
    def call(self, x, training=None):
        return Encoder.call(self, x, training) * 1e6 / 1e6

    fails("mixed precision", broken(call=call)(), match="mixed_float16")
