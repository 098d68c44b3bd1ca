"""The variables of TensorFlow checkpoints as NumPy arrays."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, CheckpointError, naming, short
from keras_ssl.checkpoints.tf_index import INDEX_MAGIC, check_index
from keras_ssl.paths import user_path
from keras_ssl.regular_file import open_regular

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def checkpoint_prefix(path: str | os.PathLike[str]) -> str | None:
    """The prefix of the TensorFlow checkpoint that `path` means, or None where it means none.

    It means one if it is a prefix, the prefix's `.index` file, or the folder of a SavedModel or of a checkpoint
    that is alone in it.
    """
    place = Path(user_path(path))
    if place.is_file():
        candidates = [place] if place.suffix == ".index" else []
    else:
        candidates = [Path(f"{place}.index"), place / "variables" / "variables.index"]
        inside = sorted(place.glob("*.index"))
        candidates += inside if len(inside) == 1 else []
    for index in candidates:
        if index.is_file() and _is_index(index):
            return str(index)[: -len(".index")]
    return None


def read_tf_variables(path: str | os.PathLike[str], variable_names: bool = False) -> dict[str, np.ndarray]:
    """Reads the variables of a TensorFlow checkpoint, or of a SavedModel, as arrays by name.

    Only numbers are read, no graph: what is no number (the object graph, strings) is left out. Names are those
    of the checkpoint, without the ending `/.ATTRIBUTES/VARIABLE_VALUE` of object checkpoints. TensorFlow reads
    the files; it is imported by this function.

    Args:
        path: the checkpoint's prefix, its `.index` file, or the folder of a SavedModel.
        variable_names: whether arrays go by the names that their variables had in the program that saved them
            ("resnet/conv2d_fixed_padding/conv2d/kernel") instead of their places in its objects ("model/variables/0"),
            where the checkpoint tells them. Defaults to False.

    Returns:
        Arrays by name, sorted; bfloat16 as float32.

    Raises:
        CheckpointError: if there is no checkpoint, it is damaged, two variables have the same name, or TensorFlow is
            not installed.

    Example:

        variables = read_tf_variables("r50_1x_sk0/saved_model")

    Reference: https://www.tensorflow.org/guide/checkpoint
    """
    with naming(path):
        prefix = checkpoint_prefix(path)
        if prefix is None:
            raise CheckpointError("There is no TensorFlow checkpoint of this prefix or in this folder.")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise CheckpointError(
                "Reading a TensorFlow checkpoint needs TensorFlow (`pip install tensorflow`)."
            ) from error
        check_index(prefix)
        try:
            variables = _read(tf, prefix)
            return _renamed(variables, _variable_names(tf, prefix)) if variable_names else variables
        except CheckpointError:
            raise
        except Exception as error:  # TensorFlow has many types for a damaged file, IndexError among them
            raise CheckpointError(f"TensorFlow cannot read the checkpoint ({_first_line(error)}). {DAMAGED}") from error


def _read(tf: Any, prefix: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    numbers = sorted(name for name in shapes if dtypes[name].is_numpy_compatible and dtypes[name] != tf.string)
    variables: dict[str, np.ndarray] = {}
    for name in numbers:
        value = np.asarray(reader.get_tensor(name))
        if dtypes[name] == tf.bfloat16:
            value = value.astype(np.float32)
        variables[name.removesuffix(_SUFFIX)] = value
    return variables


def _variable_names(tf: Any, prefix: str) -> dict[str, str]:
    """Names of variables by their keys, as the graph of objects in the checkpoint has them; none without a graph."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    reader = tf.train.load_checkpoint(prefix)
    if _GRAPH not in reader.get_variable_to_shape_map():
        return {}
    graph = TrackableObjectGraph.FromString(reader.get_tensor(_GRAPH))
    found = (attribute for node in graph.nodes for attribute in node.attributes if attribute.full_name)
    return {item.checkpoint_key.removesuffix(_SUFFIX): item.full_name.removesuffix(":0") for item in found}


def _renamed(variables: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, np.ndarray]:
    renamed: dict[str, np.ndarray] = {}
    for key, array in variables.items():
        name = names.get(key, key)
        if name in renamed:
            raise CheckpointError(f"Two variables of the checkpoint have the name {short(name)}.")
        renamed[name] = array
    return dict(sorted(renamed.items()))


def _is_index(path: Path) -> bool:
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(INDEX_MAGIC), 0))
        return file.read() == INDEX_MAGIC


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
