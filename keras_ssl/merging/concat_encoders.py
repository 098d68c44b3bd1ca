"""Several encoders as one, their features side by side."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras

__all__ = ["ConcatEncoders"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class ConcatEncoders(keras.Model):
    """An encoder whose features are those of several encoders, one after another.

    Encoders that were trained alike from other seeds find other features; side by side they serve tasks and
    distributions that no single one serves as well. It is a Keras model like any encoder: it can be probed, exported,
    be a teacher (`keras_ssl.distill(ConcatEncoders(encoders), student, images)` makes one network of it) or be
    trained on.

    Args:
        encoders: built Keras models from one and the same input to features `[N, D_k]`. They are copied, so that two
            may have the same name, or be the same.
        normalize: whether the features of each are divided by their length first, so that no encoder dominates
            distances. Defaults to False.
        name: of the model. Defaults to "concat_encoders".

    Output: features `[N, sum of D_k]`.

    Raises:
        ValueError: if there is no encoder, one is not built or gives no `[N, D]`, or inputs differ in shape or type.

    Example:

    >>> encoders = [keras_ssl.encoders.ConvNet((4, 8)), keras_ssl.encoders.ConvNet((6,))]
    >>> ConcatEncoders(encoders).output_shape
    (None, 14)

    Reference: Zhang and Bottou, "Learning useful representations for shifting tasks and distributions", ICML 2023,
    https://arxiv.org/abs/2212.07346.
    """

    def __init__(
        self, encoders: Sequence[keras.Model], normalize: bool = False, name: str | None = "concat_encoders"
    ) -> None:
        if not isinstance(encoders, Iterable):
            raise ValueError(f"`encoders` must be a list of models. Received: encoders={encoders!r}")
        encoders = list(encoders)
        if not encoders:
            raise ValueError("`encoders` must hold one or more. Received: encoders=[]")
        for place, encoder in enumerate(encoders):
            if not isinstance(encoder, keras.Model) or not encoder.built:
                raise ValueError(f"`encoders` must be built Keras models. Received: encoders[{place}]={encoder!r}")
            _input_of(encoder)
            shape = encoder.output_shape
            if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
                raise ValueError(f"`encoders` must give features [N, D]. Received: encoders[{place}] gives {shape}")
            if _input_of(encoder) != _input_of(encoders[0]):
                raise ValueError(
                    f"`encoders` must take one input. Received: encoders[0] takes {_input_of(encoders[0])}, "
                    f"encoders[{place}] {_input_of(encoder)}"
                )
        shape, dtype = _input_of(encoders[0])
        inputs = keras.Input(shape[1:], dtype=dtype)
        members = [_copy(encoder, f"encoder_{place}") for place, encoder in enumerate(encoders)]
        features = [member(inputs) for member in members]
        if normalize:
            features = [keras.layers.UnitNormalization(name=f"unit_{n}")(each) for n, each in enumerate(features)]
        outputs = keras.layers.Concatenate(name="features")(features) if len(features) > 1 else features[0]
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.members = members
        self.normalize = bool(normalize)

    def get_config(self) -> dict[str, Any]:
        return {
            "encoders": [keras.saving.serialize_keras_object(member) for member in self.members],
            "normalize": self.normalize,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        made = [keras.saving.deserialize_keras_object(each, custom_objects) for each in config["encoders"]]
        return cls(**{**config, "encoders": made})


def _input_of(encoder: keras.Model) -> tuple[tuple[int | None, ...], str]:
    """Shape and type of the input of a model that has one."""
    inputs = getattr(encoder, "inputs", None)
    if not inputs or len(inputs) != 1:
        raise ValueError(f"`encoders` must be models of one declared input. Received: {encoder.name!r}")
    return tuple(inputs[0].shape), keras.backend.standardize_dtype(inputs[0].dtype)


def _copy(encoder: keras.Model, name: str) -> keras.Model:
    made = type(encoder).from_config({**encoder.get_config(), "name": name})
    made.set_weights(encoder.get_weights())
    return made
