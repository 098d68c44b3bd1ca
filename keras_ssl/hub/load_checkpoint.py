"""Another project's weights in an encoder of this library."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.checkpoints import (
    CheckpointError,
    WeightTable,
    conv_next_table,
    from_big_vision,
    map_weights,
    read_checkpoint,
    read_tf_variables,
    resnet_table,
    rotary_vit_table,
    simclr_table,
    state_dict,
    swin_table,
    vit_table,
)
from keras_ssl.checkpoints.adapted_kernel import with_adapted_kernel
from keras_ssl.checkpoints.big_vision import is_big_vision
from keras_ssl.checkpoints.checkpoint_error import naming
from keras_ssl.checkpoints.loading_hints import prefix_hint, shape_hint
from keras_ssl.checkpoints.map_weights import has_all
from keras_ssl.checkpoints.projector_table import projector_table, with_projector
from keras_ssl.checkpoints.read_tf_variables import checkpoint_prefix
from keras_ssl.checkpoints.rotary_vit_table import PERIODS, joined_weights
from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.checkpoints.state_dict import KEYS, PREFIXES
from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.encoders import ConvNeXt, ResNet, RotaryViT, Swin, ViT
from keras_ssl.hub.heads import head_weights
from keras_ssl.training import SSLModel
from keras_ssl.weights.named_weights import named_weights

_FAMILIES = (ConvNeXt, ResNet, RotaryViT, Swin, ViT)


def load_checkpoint(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    keys: Sequence[str] = KEYS,
    prefixes: Sequence[str] | None = None,
    adapt: bool = False,
) -> None:
    """Reads another project's checkpoint into an encoder, without that project's code or PyTorch.

    The file may be in any format of `keras_ssl.checkpoints.read_checkpoint`, under the names that projects publish: for
    a `ResNet` those of torchvision (`resnet_table`), or in TensorFlow's files those of SimCLR (`simclr_table`); for a
    `ViT` those of DINO, DINOv2, MAE, MoCo v3, I-JEPA, OpenMMLab and timm (`vit_table`), and of big_vision
    (`from_big_vision`); for a `RotaryViT` those of DINOv3, LingBot-Vision, EUPE and CAPI (`rotary_vit_table`); for a
    `ConvNeXt` those of its authors and timm (`conv_next_table`); for a `Swin` those of its authors, timm and OpenMMLab
    (`swin_table`). Every key of the file is accounted for; if one is missing, too many or of another shape, no weight
    changes. The features equal those of the other project if images are normalized as it did and the encoder is made as
    its was: no weight tells a ViT's number of heads, how it interpolates positions, or how a ResNet pads.

    Args:
        model: a `keras_ssl.encoders.ResNet` of the file's depth, width and stem, a `ConvNeXt`, `RotaryViT` or
            `Swin` of the file's sizes, or a `keras_ssl.encoders.ViT`, whose `image_size` is that which the file's
            positions are for. Or an objective around one that has a projector and nothing else to load, such as
            `BarlowTwins` or `VICReg`: then the file's projector is read too (`projector_table`). Or a `MAE`, `IJEPA`,
            `DINO` or `IBOT` around a `ViT`: then the file is one of its authors' training runs, of which everything is
            read, the teacher and the centers too, whatever `keys` and `prefixes` are.
        path: the file; of TensorFlow's variables their `.index` file, or what else `read_checkpoint` takes.
        keys: where in the file the weights are. Defaults to those of common projects (see
            `keras_ssl.checkpoints.state_dict`).
        prefixes: what is taken from the front of the file's names; names that begin with none of them are left out, so
            that `("teacher.backbone.",)` chooses one encoder of a file that holds two. Defaults to None: those of
            common projects (`keras_ssl.checkpoints.state_dict`), which are taken away where they stand, and nothing
            is left out.
        adapt: whether the file's first kernel may be for another number of channels than the model takes: then it is
            made to fit (`keras_ssl.checkpoints.adapted_kernel`). Defaults to False: that is an error.

    Raises:
        ValueError: if there is no table for the encoder or for all of the objective's heads, or `keys` or `prefixes`
            has an empty text.
        CheckpointError: if the file cannot be read, holds more than weights, or its weights are not the
            encoder's; the message names keys.

    Example:

        encoder = keras_ssl.encoders.ResNet(50)
        keras_ssl.hub.load_checkpoint(encoder, "resnet50.pth")
    """
    mapped, variables = mapped_checkpoint(model, path, keys, prefixes, adapt)
    assign_mapped(mapped, variables)


def assign_mapped(mapped: Mapping[str, np.ndarray], variables: Mapping[str, Any]) -> None:
    """Gives variables their values, by name."""
    for name, variable in variables.items():
        variable.assign(mapped[name])


def mapped_checkpoint(
    model: keras.Model,
    path: str | os.PathLike[str],
    keys: Sequence[str] = KEYS,
    prefixes: Sequence[str] | None = None,
    adapt: bool = False,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `load_checkpoint` would assign, and to which variables, by their names; nothing changes yet."""
    encoder = model.encoder if isinstance(model, SSLModel) else model
    if not isinstance(encoder, _FAMILIES):
        known = ", ".join(family.__name__ for family in _FAMILIES)
        raise ValueError(
            f"`model` must be an encoder of a family whose published names are known ({known}), or an objective around "
            f"one. Received: model={type(model).__name__}, encoder={type(encoder).__name__}"
        )
    variables = named_weights(encoder)
    heads = head_weights(model) if isinstance(model, SSLModel) else {}
    layout = getattr(model, "run_layout", None) if isinstance(encoder, ViT) else None
    if isinstance(model, SSLModel) and layout is not None:
        return _mapped_run(model, layout, variables, heads, path)
    projector_table(heads)  # refuses other heads before the file is read
    with naming(path):
        of_tensorflow = checkpoint_prefix(path) is not None
    if of_tensorflow:
        whole = arrays = read_tf_variables(path, variable_names=True)
    else:
        tree = read_checkpoint(path)
        if isinstance(encoder, ViT) and is_big_vision(tree):
            with naming(path):
                tree = from_big_vision(tree)
        with naming(path):
            whole = state_dict(tree, keys, ())
            if isinstance(encoder, RotaryViT):
                tree = whole = joined_weights(whole)
            usual = prefixes is None or tuple(prefixes) == PREFIXES
            arrays = state_dict(tree, keys) if usual else _chosen(whole, prefixes or ())
    if isinstance(encoder, RotaryViT) and "rope/periods" in variables:
        # Files of some copies leave them out, since they follow from the base.
        arrays.setdefault(PERIODS, np.asarray(keras.ops.convert_to_numpy(variables["rope/periods"])))
    table = _table(encoder, variables, arrays, of_tensorflow)
    if heads:
        table, variables = with_projector(table, heads), {**variables, **heads}

    def hint() -> str:
        if has_all(arrays, table):
            return shape_hint(arrays, encoder)
        return prefix_hint(whole, lambda names: has_all(names, table))

    if adapt:
        table = with_adapted_kernel(table, variables)
    mapped = map_weights(arrays, table, variables, os.fspath(path), hint)
    return mapped, variables


def _mapped_run(
    model: SSLModel,
    layout: RunLayout,
    variables: Mapping[str, Any],
    heads: Mapping[str, Any],
    path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The same for the file of a whole training run, of an objective that knows how its authors name things."""
    teacher = getattr(model, "teacher", None)
    table = layout.table(variables, heads, "" if teacher is None else teacher.modules[0].name)
    tree = read_checkpoint(path)
    with naming(path):
        arrays = layout.arrays(tree)
    both = {**variables, **heads}
    return map_weights(arrays, table, both, os.fspath(path)), both


def _chosen(weights: Mapping[str, np.ndarray], prefixes: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with one of `prefixes`, without it."""
    if isinstance(prefixes, str) or not all(prefixes) or not prefixes:
        return state_dict(weights, (), prefixes)  # which says what is wrong with them
    chosen = {name: array for name, array in weights.items() if name.startswith(tuple(prefixes))}
    if not chosen:
        raise CheckpointError(
            f"No name begins with one of the prefixes; {weight_problems({'the file has': list(weights)})}. "
            f"Received: prefixes={tuple(prefixes)}"
        )
    return state_dict(chosen, (), prefixes)


def _table(
    encoder: keras.Model, variables: Mapping[str, Any], arrays: Mapping[str, Any], of_tensorflow: bool
) -> WeightTable:
    """The table of the encoder's family, for PyTorch's names or for those of TensorFlow's variables."""
    if of_tensorflow:
        if isinstance(encoder, ResNet):
            return simclr_table(variables, arrays)
        kind = type(encoder).__name__
        raise ValueError(f"Of TensorFlow's files, SimCLR's ResNets can be read and no others. Received: model={kind}")
    if isinstance(encoder, ResNet):
        return resnet_table(variables, pooled=encoder.stem != "cifar")
    if isinstance(encoder, ConvNeXt):
        return conv_next_table(variables)
    if isinstance(encoder, Swin):
        return swin_table(variables, arrays)
    return rotary_vit_table(variables) if isinstance(encoder, RotaryViT) else vit_table(variables)
