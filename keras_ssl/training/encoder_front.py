"""What an objective has to know of an encoder: the shapes it maps, and whether it scales pixels itself."""

from typing import Any

import keras

from keras_ssl.layers.image_preprocessing import ImagePreprocessing

Shape = Any  # tuple[int | None, ...], or a dict of such by the name of a column

_SCALING = (keras.layers.Rescaling, keras.layers.Normalization, ImagePreprocessing)
_ARITHMETIC = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")  # ops that `images / 255` and its like become


def encoder_shapes(encoder: keras.layers.Layer) -> tuple[Shape, Shape]:
    """The shapes of an encoder's input and output, the batch first and unknown.

    Of a functional model whose input is a dict, such as the columns of a table, the first is a dict of shapes. Of a
    subclassed model they are those of the call that built it; its `call` is traced for the output, not computed.

    Raises:
        ValueError: if they cannot be found out.
    """
    shapes: Any = getattr(encoder, "input_shape", None), getattr(encoder, "output_shape", None)
    if isinstance(encoder, keras.Model) and isinstance(getattr(encoder, "input", None), dict):
        shapes = {name: tuple(tensor.shape) for name, tensor in encoder.input.items()}, shapes[1]
    if None not in shapes:
        return shapes
    recorded = list((getattr(encoder, "_build_shapes_dict", None) or {}).values())
    reason = f"it was built for inputs of shape {recorded}" if recorded else "it has not been called"
    if len(recorded) == 1 and isinstance(recorded[0], tuple | list) and recorded[0]:
        shape = (None, *recorded[0][1:])
        try:
            found = encoder.compute_output_spec(keras.KerasTensor(shape, "float32"))
            return shape, tuple(found.shape)
        except Exception as error:  # whatever a user's `call` raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    raise ValueError(
        "The shapes of `encoder` cannot be found out. Call it once on a batch, or wrap it in a functional model: "
        f"`keras.Model(images, encoder(images))` with `images = keras.Input(shape)`. Received: encoder={encoder!r} "
        f"({reason})"
    )


def takes_integers(encoder: keras.layers.Layer) -> bool:
    """Whether an encoder's own input is of an integer type, such as the numbers of tokens."""
    inputs = getattr(encoder, "inputs", None) or [None]
    return "int" in keras.backend.standardize_dtype(getattr(inputs[0], "dtype", None))


def own_scaling(encoder: Any) -> Any:
    """What scales pixels at the front of an encoder, or None.

    It is a layer (Rescaling, Normalization, ImagePreprocessing), or arithmetic with a constant, such as `images / 255`
    or a `preprocess_input` of `keras.applications`.

    Sequential and functional models are followed from their inputs, into the models inside them, past layers without
    weights (padding, resizing) to the first with weights. What a subclassed model does first cannot be seen: of it, any
    such layer counts.
    """
    if isinstance(encoder, _SCALING):
        return encoder
    if isinstance(encoder, keras.Sequential):
        for layer in encoder.layers:
            found = own_scaling(layer)
            if found is not None or layer.weights:
                return found
        return None
    if isinstance(encoder, keras.layers.Layer) and not getattr(encoder, "operations", None):
        inner = encoder._flatten_layers(include_self=False)
        return next((layer for layer in inner if isinstance(layer, _SCALING)), None)
    reached = {id(tensor) for tensor in getattr(encoder, "inputs", None) or ()}
    for operation in getattr(encoder, "operations", ()):
        for node in operation._inbound_nodes:
            if operation is encoder or not any(id(tensor) in reached for tensor in node.input_tensors):
                continue
            found = operation if _scales(operation, node) else own_scaling(operation)
            if found is not None:
                return found
            if not getattr(operation, "weights", ()):
                reached.update(id(tensor) for tensor in node.outputs)
    return None


def _scales(operation: Any, node: Any) -> bool:
    """Whether a node of a functional model computes with images and a constant."""
    if type(operation).__name__ not in _ARITHMETIC or len(node.input_tensors) != 1:
        return False
    return len(node.outputs[0].shape) == 4 and node.outputs[0].shape == node.input_tensors[0].shape
