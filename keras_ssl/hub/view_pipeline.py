"""Views put together in a recipe, where no paper's will do."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_ssl import views
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.losses.numeric import check_integer
from keras_ssl.views import Compose, MultiCrop, MultiView, RandomApply, View

_CONTAINERS = {"View", "Compose", "MultiCrop", "MultiView", "RandomApply"}


def pipeline(
    ops: Sequence[Mapping[str, Any]],
    copies: int = 2,
    local_ops: Sequence[Mapping[str, Any]] | None = None,
    local_copies: int = 6,
    weak_ops: Sequence[Mapping[str, Any]] | None = None,
) -> MultiView:
    """Views of every image by one pipeline, put together from plain values as a recipe holds them.

    With `local_ops`, a second pipeline makes local views after them (multi-crop).

    Args:
        ops: the ops in their order: dicts of an op's `name` in `keras_ssl.views`, its arguments, and
            `probability` with which it is applied to an image (default: always).
        copies: number of views. Defaults to 2.
        local_ops: the ops of the local views, or None (default): there are none.
        local_copies: number of local views, where there are any. Defaults to 6.
        weak_ops: the ops of one more view that comes first, or None (default): there is none.

    Returns:
        A `MultiView` of `copies` equal pipelines, which draw different numbers; with `local_ops` a `MultiCrop`.

    Raises:
        ValueError: for an unknown op or argument; the message lists those that are known.

    Example:

    >>> crop, jitter = {"name": "RandomResizedCrop", "scale": [0.5, 1.0]}, {"name": "ColorJitter", "hue": 0.5}
    >>> len(pipeline([crop, {**jitter, "probability": 0.8}]))
    2
    """
    pipelines = [_composed("ops", ops)] * check_integer("copies", copies, 1)
    if weak_ops is not None:
        pipelines = [_composed("weak_ops", weak_ops), *pipelines]
    if local_ops is None:
        return MultiView(pipelines)
    return MultiCrop(pipelines, [_composed("local_ops", local_ops)] * check_integer("local_copies", local_copies, 1))


def _composed(argument: str, ops: Sequence[Mapping[str, Any]]) -> Compose:
    if not isinstance(ops, Sequence) or not ops or not all(isinstance(op, Mapping) for op in ops):
        raise ValueError(f"Argument `{argument}` must be a list of tables, at least one. Received: {argument}={ops!r}")
    return Compose([_op(op) for op in ops])


def _op(table: Mapping[str, Any]) -> View:
    members = {name: getattr(views, name) for name in views.__all__}
    kinds = {name: kind for name, kind in members.items() if isinstance(kind, type) and issubclass(kind, View)}
    kinds = {name: kind for name, kind in kinds.items() if name not in _CONTAINERS}
    name = table.get("name")
    if name not in kinds:
        raise ValueError(f"An op has no such name. {suggestion(str(name), kinds)} Received: name={name!r}")
    own = known_arguments(kinds[name])
    known = list(dict.fromkeys([*own, "probability"]))
    arguments = {key: value for key, value in table.items() if key != "name"}
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no setting {unknown[0]!r}; it knows {', '.join(known)}. "
            f"Received: {unknown[0]}={arguments[unknown[0]]!r}"
        )
    if "probability" in own or "probability" not in arguments:
        return kinds[name](**arguments)
    probability = arguments.pop("probability")
    return RandomApply(kinds[name](**arguments), probability)
