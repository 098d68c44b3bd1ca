"""The values of the data of `fit` and `evaluate`, looked at before the first step."""

from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_arrays import ArrayBatches
from keras_ssl.data.from_streams import StreamBatches
from keras_ssl.training.batch import as_batch


def check_data(data: Any, model: Any, inputs_only: bool = False, training: bool = False) -> Any:
    """Calls `model.check_batch` with all samples of arrays and streams, with the first batch of other data sets.

    For training also `model.check_samples`, with the fields of the same samples; of files it gets the labels.

    A data set of files is left out, for its pixels are uint8, and so is tf.data of integers: reading a batch of it
    takes time. What else Keras takes as data is not looked at.

    Args:
        data: the data set.
        model: the objective, whose `check_batch` raises.
        inputs_only: whether only the inputs are looked at, by `model.check_values`: what `predict` takes. Defaults to
            False.
        training: whether the model will be trained on the data. Defaults to False.

    Returns:
        The data set; of a generator, from which a batch had to be taken, one that gives this batch again.
    """
    check = (lambda batch: model.check_values(batch["x"])) if inputs_only else model.check_batch
    batch_of = _inputs if inputs_only else _batch

    def check_first(batch: dict[str, Any]) -> None:
        check(batch)
        if training:
            model.check_samples(_fields(batch), whole=False)

    if isinstance(data, ArrayBatches | StreamBatches):
        parts = data.checked_parts()
        for batch in parts:
            check(batch)
        if training:
            size = data.batch_size if isinstance(data, ArrayBatches) else None
            joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "x"}
            model.check_samples(joined, whole=True, batch_size=size)
    elif isinstance(data, EpochBatches):
        labels = data.labels
        if training and labels is not None and np.asarray(labels).dtype.kind in "iu":
            fields = {"y": np.asarray(labels), "index": np.arange(data.count)}
            model.check_samples(fields, whole=True, batch_size=data.batch_size)
    elif isinstance(data, keras.utils.PyDataset):
        if _length(data) != 0:
            check_first(batch_of(data[0], model))
    elif isinstance(data, GeneratorType):
        return _checked(data, lambda element: check_first(batch_of(element, model)))
    elif hasattr(data, "element_spec") and hasattr(data, "take"):
        if model.takes_columns or any("int" not in spec.dtype.name for spec in keras.tree.flatten(data.element_spec)):
            for element in data.take(1):
                check_first(batch_of(element, model))
    return data


def check_crops(data: EpochBatches, model: Any) -> None:
    """Raises a `ValueError` where the batches hold random crops of other views than a model's."""
    crops = getattr(data, "crops", None)
    if crops is not None and crops != model.views:
        raise ValueError(
            "The data's random crops must be those of the model's views: give both the same `views`, or the data "
            f"`crops=model.views`. Received: crops={crops!r}, and a model with views={model.views!r}"
        )


def _length(data: keras.utils.PyDataset) -> int | None:
    """Number of batches; None where the data set does not tell."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def _checked(data: Iterator[Any], check: Callable[[Any], None]) -> Iterator[Any]:
    for number, element in enumerate(data):
        if number == 0:
            check(element)
        yield element


def _inputs(element: Any, model: Any) -> dict[str, Any]:
    """What `predict` takes of an element: all of it, or its first part."""
    if isinstance(element, tuple | list):
        element = element[0]
    whole = isinstance(element, dict) and "x" in element
    return element if whole and (not model.takes_columns or isinstance(element["x"], dict)) else {"x": element}


def _fields(batch: dict[str, Any]) -> dict[str, Any]:
    """The fields of a batch as arrays."""
    return {name: np.asarray(keras.ops.convert_to_numpy(value)) for name, value in batch.items() if name != "x"}


def _batch(element: Any, model: Any) -> dict[str, Any]:
    return as_batch(element, model.batch_fields, model.takes_columns)
