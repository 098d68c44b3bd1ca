"""Regularizers of patch features that methods of teacher and student take beside their own losses."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.state_layer import Plan, StateLayer, late
from keras_ssl.losses.gram_loss import gram_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.patch_kernel_loss import patch_kernel_loss
from keras_ssl.typing import Tensor

__all__ = ["GramAnchoring", "PaKA", "PatchRegularizer"]


class PatchRegularizer(StateLayer):
    """A term of the loss that compares the student's patches of an image with those of another network.

    A subclass writes `values`, and where it keeps state, `attach`, `begin` and `follow`.

    Args:
        weight: of the term in the loss, not negative. Defaults to 1.
        **kwargs: `name`, as for a layer.

    Raises:
        ValueError: if `weight` is no finite number of at least 0.
    """

    from_batch: ClassVar[bool] = False
    log: ClassVar[str] = "regularizer"
    """Name under which the mean of the values is logged."""

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = check_number("weight", weight, 0.0)
        self.built = True

    def attach(self, encoder: Any) -> None:
        """Called once, with the student's encoder, when the objective is made."""

    def begin(self, encoder: Any) -> None:
        """Called before the first step of training, with the student's encoder."""

    @abstractmethod
    def values(self, students: Tensor, teachers: Tensor, images: Tensor) -> Tensor:
        """The term of each image, `[N]`.

        Args:
            students: the student's patch features after the last normalization, `[N, T, D]`, of images of which it does
                not see all patches.
            teachers: those of the momentum teacher, which sees all, `[N, T, D]`.
            images: as the encoder takes them, whole.
        """

    def coefficient(self, updates: Tensor) -> Tensor | float:
        """The term's factor in the loss, after so many updates."""
        return self.weight

    def follow(self, encoder: Any, updates: Tensor, updated: Tensor) -> None:
        """Called after each step with the teacher's encoder and the number of updates before the step; `updated` tells
        whether the step was one."""


@keras.saving.register_keras_serializable(package="keras_ssl")
class GramAnchoring(PatchRegularizer):
    """Keeps the similarities between an image's patches as they were in an earlier teacher (`gram_loss`).

    In long training the patch features of self-distillation lose their detail while the pooled ones still gain. From
    update `start_steps` on, the student's cosines between the patches of a crop are drawn to those of the anchor: a
    copy of the teacher's encoder as it is then, which stands still, and is renewed every `renew_steps` updates,
    `renewals` times at most. With `start_steps=0` the anchor is the encoder that training begins with, such as that of
    a zoo entry.

    The anchor costs a forward pass of the global crops in each step, also before `start_steps`.

    Args:
        weight: of the term in the loss, not negative. Defaults to 2.
        start_steps: updates before the term counts. Defaults to 0; the authors begin late in training.
        renew_steps: updates between renewals of the anchor. Defaults to 10000.
        renewals: number of renewals. Defaults to 3.
        **kwargs: `name`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.DINOv2(encoder, regularizers=[keras_ssl.layers.GramAnchoring(weight=2.0, start_steps=20_000)])
    ```

    Reference: Siméoni et al., "DINOv3", 2025, https://arxiv.org/abs/2508.10104. There the anchor sees each image at
    twice the resolution, and its map is made smaller; here it sees the crop that the student sees.
    """

    log: ClassVar[str] = "gram"

    def __init__(
        self,
        weight: float = 2.0,
        start_steps: int = 0,
        renew_steps: int = 10_000,
        renewals: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, **kwargs)
        self.start_steps = check_integer("start_steps", start_steps, 0)
        self.renew_steps = check_integer("renew_steps", renew_steps, 1)
        self.renewals = check_integer("renewals", renewals, 0)
        self.anchor: Any = None

    def attach(self, encoder: Any) -> None:
        self.anchor = EMATeacher([encoder], 1.0, name="anchor")

    def begin(self, encoder: Any) -> None:
        self.anchor.begin([encoder])

    def values(self, students: Tensor, teachers: Tensor, images: Tensor) -> Tensor:
        network = self.anchor.modules[0]
        tokens = network.encode(network.tokens(images), training=False)
        return gram_loss(students, tokens[:, network.prefix :])

    def coefficient(self, updates: Tensor) -> Tensor | float:
        if not self.start_steps:
            return self.weight
        return self.weight * keras.ops.cast(updates >= self.start_steps, "float32")

    def follow(self, encoder: Any, updates: Tensor, updated: Tensor) -> None:
        ops = keras.ops
        since = updates + 1 - self.start_steps  # after this step
        due = ops.logical_and(ops.equal(since % self.renew_steps, 0), since >= (0 if self.start_steps else 1))
        due = ops.logical_and(due, since <= self.renewals * self.renew_steps)
        due = ops.logical_and(due, updated)
        for mine, theirs in zip(self.anchor.modules[0].weights, encoder.weights, strict=True):
            if "float" in keras.backend.standardize_dtype(mine.dtype):
                mine.assign(ops.where(due, ops.convert_to_tensor(theirs), ops.convert_to_tensor(mine)))

    def advice(self, plan: Plan) -> list[str]:
        return late("start_steps", self.start_steps, plan, "the anchor never counts")


@keras.saving.register_keras_serializable(package="keras_ssl")
class PaKA(PatchRegularizer):
    """Aligns the kernel of the student's patches of an image with that of the teacher's (`patch_kernel_loss`).

    Of images with more than `most_patches` patches, that many are taken, evenly spaced row by row.

    Args:
        weight: of the term in the loss, not negative. Defaults to 1.
        most_patches: number of patches of an image that are compared, at least 2. Defaults to 512.
        **kwargs: `name`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.DINOv2.from_entry("dinov2_vits14", image_size=224, regularizers=[keras_ssl.layers.PaKA()])
    ```

    Reference: "Patch-level Kernel Alignment for Self-Supervised Dense Representation Learning", 2025,
    https://arxiv.org/abs/2509.05606, where it is part of training that goes on from a trained DINOv2. The limit of 512
    patches is that of lightly-train, an independent library; which patches those are is this library's choice.
    """

    log: ClassVar[str] = "patch_kernel"

    def __init__(self, weight: float = 1.0, most_patches: int = 512, **kwargs: Any) -> None:
        super().__init__(weight, **kwargs)
        self.most_patches = check_integer("most_patches", most_patches, 2)

    def values(self, students: Tensor, teachers: Tensor, images: Tensor) -> Tensor:
        count = students.shape[1]
        if count > self.most_patches:
            places = np.linspace(0, count - 1, self.most_patches).round().astype("int32")
            students, teachers = (keras.ops.take(tokens, places, axis=1) for tokens in (students, teachers))
        return patch_kernel_loss(students, teachers)


_KNOWN: dict[str, type[PatchRegularizer]] = {"GramAnchoring": GramAnchoring, "PaKA": PaKA}


def as_regularizers(given: Sequence[Any]) -> list[PatchRegularizer]:
    """Regularizers from objects, tables of a recipe (`{name = "PaKA", weight = 0.5}`), or what Keras has serialized.

    Raises:
        ValueError: if one is none of these.
    """
    if not isinstance(given, list | tuple):
        raise ValueError(f"`regularizers` must be a list. Received: regularizers={given!r}")
    return [_regularizer(one) for one in given]


def _regularizer(given: Any) -> PatchRegularizer:
    if isinstance(given, PatchRegularizer):
        return given
    if isinstance(given, Mapping) and given.get("name") in _KNOWN:
        kind, settings = _KNOWN[given["name"]], {key: value for key, value in given.items() if key != "name"}
        known = _own_arguments(kind)
        if not set(settings) <= set(known):
            raise ValueError(f"{given['name']} knows {', '.join(known)}. Received: regularizers=[{dict(given)!r}]")
        return kind(**settings)
    made = None
    if isinstance(given, Mapping) and "class_name" in given:
        made = keras.saving.deserialize_keras_object(dict(given))
    if not isinstance(made, PatchRegularizer):
        raise ValueError(
            "`regularizers` must hold objects of `keras_ssl.layers.PatchRegularizer`, or tables with the `name` of "
            f"one: {', '.join(_KNOWN)}. Received: regularizers=[{given!r}]"
        )
    return made


def as_tables(regularizers: Sequence[PatchRegularizer]) -> list[dict[str, Any]]:
    """What `as_regularizers` makes regularizers of again: of the library's own, tables as in a recipe."""
    tables = []
    for one in regularizers:
        if _KNOWN.get(type(one).__name__) is type(one):
            config = one.get_config()
            tables.append({"name": type(one).__name__, **{name: config[name] for name in _own_arguments(type(one))}})
        else:
            tables.append(keras.saving.serialize_keras_object(one))
    return tables


def _own_arguments(kind: type[PatchRegularizer]) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
