import keras

from keras_ssl.encoders import ConvNet
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.objectives import BYOL, SimCLR
from keras_ssl.optimizers import LARS


def test_function():
    assert known_arguments(lambda a, *rest, b=1: None) == ["a", "b"]


def test_class_that_hands_on_nothing():
    assert known_arguments(ConvNet) == ["widths", "input_shape", "pooling", "name"]


def test_arguments_of_base_classes_count_where_they_are_handed_on():
    assert {"temperature", "encoder", "views", "preprocessing", "seed"} <= set(known_arguments(SimCLR, stop="keras."))
    assert "trainable" not in known_arguments(SimCLR, stop="keras.")
    assert {"eta", "clip", "clipnorm", "gradient_accumulation_steps", "learning_rate"} <= set(known_arguments(LARS))
    assert {"learning_rate", "beta_1", "weight_decay"} <= set(known_arguments(keras.optimizers.AdamW))


def test_every_known_argument_is_taken():
    for kind, stop in ((LARS, ""), (keras.optimizers.Adam, "")):
        defaults = kind().get_config()
        for name in known_arguments(kind, stop):
            if name in defaults:
                kind(**{name: defaults[name]})
    assert {"momentum", "final_momentum", "projector"} <= set(known_arguments(BYOL, stop="keras."))
