"""One transformer, with features after several of its blocks."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import keras

from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiExitEncoder(keras.Model):
    """The features of a transformer after chosen blocks: after block k those of the transformer cut off behind it.

    All exits share the last layer normalization and the pooling, so that `truncated(k)` gives the features of exit k
    as an encoder of its own, with k blocks. Weights are the transformer's; there are no others.

    Args:
        encoder: a `ViT` or `TabularTransformer` that pools its tokens.
        exits: numbers of blocks, from 1, rising; the last must be the number of all blocks. Defaults to None: all
            blocks.

    Input: the transformer's. Output: a list of `[N, F]`, one for each exit.

    Raises:
        ValueError: if the encoder is no such transformer, or the exits do not rise to its depth.

    Example:

    >>> vit = keras_ssl.encoders.ViT("Ti", patch_size=8, depth=4, image_size=32)
    >>> encoder = MultiExitEncoder(vit, exits=(2, 4))
    >>> [tuple(features.shape) for features in encoder(keras.ops.zeros((1, 32, 32, 3)))]
    [(1, 192), (1, 192)]

    Reference: Gurioli et al., "One Model to Train them All: Hierarchical Self-Distillation for Enhanced Early Layer
    Embeddings", 2025, https://arxiv.org/abs/2503.03008.
    """

    def __init__(self, encoder: keras.Model, exits: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_token_encoder(encoder, type(self).__name__)
        blocks = _block_outputs(encoder)
        if not blocks or len(encoder.output_shape) != 2:
            raise ValueError(
                "`encoder` must be a ViT or TabularTransformer that pools its tokens. "
                f"Received: {type(encoder).__name__} with output shape {encoder.output_shape}"
            )
        depth = len(blocks)
        chosen = list(range(1, depth + 1)) if exits is None else [check_integer("exits", k, 1, depth) for k in exits]
        if not chosen or chosen[-1] != depth or chosen != sorted(set(chosen)):
            raise ValueError(f"`exits` must rise to the number of blocks, {depth}. Received: exits={exits}")
        self.encoder = encoder
        self.depth, self.exits = depth, tuple(chosen)
        trunk = keras.Model(encoder.input, [blocks[k - 1] for k in chosen])
        norm = encoder.get_layer("norm")

        def features(x: Any, training: bool) -> list[Tensor]:
            found = trunk(x, training=training)
            return [encoder.pool(norm(tokens)) for tokens in (found if isinstance(found, list | tuple) else [found])]

        self._features = features  # in a closure, so that Keras does not track the layers twice
        self.built = True

    def call(self, x: Any, training: bool = False) -> list[Tensor]:
        return self._features(x, training)

    def truncated(self, exit: int) -> keras.Model:
        """The transformer of the first blocks alone, with copies of their weights: its features are those of the exit.

        Args:
            exit: number of blocks, one of `exits`.

        Raises:
            ValueError: if it is none of them.
        """
        if exit not in self.exits:
            raise ValueError(f"`exit` must be one of {self.exits}. Received: exit={exit}")
        made = type(self.encoder).from_config({**self.encoder.get_config(), "depth": int(exit)})
        for layer in (layer for layer in made.layers if layer.weights):
            layer.set_weights(self.encoder.get_layer(layer.name).get_weights())
        return made

    def get_config(self) -> dict[str, Any]:
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "exits": list(self.exits),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "MultiExitEncoder":
        config = deepcopy(config)  # Keras takes the config of a functional model apart as it reads it
        config["encoder"] = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        return cls(**config)


def _block_outputs(encoder: keras.Model) -> list[Any]:
    """The tokens that leave each block, in order."""
    layers = {layer.name: layer for layer in encoder.layers}
    found: list[Any] = []
    while True:
        number = len(found) + 1
        last = layers.get(f"block{number}_add2", layers.get(f"block{number}"))
        if last is None:
            return found
        found.append(last.output)
