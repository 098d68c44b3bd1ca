"""An exported SavedModel as a layer that trains with every optimizer."""

import os
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_ssl")
class SavedModelLayer(keras.layers.TFSMLayer):
    """The SavedModel that `keras_ssl.export` wrote, for fine-tuning in Keras on the TensorFlow backend.

    It is Keras' `TFSMLayer` with the endpoints of an export, `serve` and `train`. Keras names the weights of that layer
    with a colon, which no optimizer that keeps a state for each weight (Adam, momentum, LARS) takes as the name of its
    own; here the names have none. A SavedModel holds a graph that is executed: load those that you trust. Where the
    entry is one of this library's encoders, `keras_ssl.load` does the same without.

    Args:
        filepath: the folder of the export.
        **kwargs: what `keras.layers.TFSMLayer` takes, such as `name`.

    Raises:
        NotImplementedError: by Keras, on other backends than TensorFlow.

    Example:

    ```python
    base = keras_ssl.hub.SavedModelLayer("saved_models/my_encoder")
    classifier = keras.Sequential([keras.Input((64, 64, 3), dtype="uint8"), base, keras.layers.Dense(10)])
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    classifier.fit(images, labels)
    ```
    """

    def __init__(self, filepath: str | os.PathLike[str], **kwargs: Any) -> None:
        kwargs.setdefault("call_endpoint", "serve")
        kwargs.setdefault("call_training_endpoint", "train")
        super().__init__(os.fspath(filepath), **kwargs)
        for weight in self.weights:
            # Keras has no public way to rename a weight; its path, which optimizers build on, was made of the name.
            plain = weight.name.removesuffix(":0")
            weight._path = weight.path.removesuffix(weight.name) + plain
            weight._name = plain
