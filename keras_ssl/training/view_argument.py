"""The argument `views` of an objective, checked where it is given."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.own_views import OwnViews
from keras_ssl.views.view import View


def as_views(views: Any, own: Callable[[], Any]) -> Callable[..., Any]:
    """What makes the views: a `View`, a `MultiView` of a list of them, or a function of `(images, stream)`.

    Args:
        views: as the user gives them.
        own: gives the views of the objective, which `OwnViews` changes.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(views, OwnViews):
        return views.of(own())
    if isinstance(views, View):
        return views
    if isinstance(views, list | tuple):
        if not views or not all(isinstance(view, View) and not view.makes_list for view in views):
            raise ValueError(
                "A list of `views` must hold views of `keras_ssl.views`, a pipeline for each view and at least one. "
                f"Received: views={views!r}"
            )
        return MultiView(views)
    remedy = None
    if isinstance(views, type):
        remedy = "make an object of the class"
    elif isinstance(views, keras.layers.Layer):
        remedy = "wrap the layer: `lambda images, stream: [layer(images, training=True) for _ in range(2)]`"
    elif not callable(views):
        remedy = "give a list of views, or a function that returns one"
    else:
        remedy = _fault_of(views)
    if remedy is not None:
        raise ValueError(
            "`views` must be a view of `keras_ssl.views`, a list of views, or a function of `(images, stream)` that "
            f"returns a list of views: {remedy}. Received: views={views!r}"
        )
    return views


def _fault_of(function: Callable[..., Any]) -> str | None:
    """What is wrong with a function as one of `(images, stream)`, as far as its signature shows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return None
    try:
        bound = signature.bind(None, None)
    except TypeError:
        return "this one does not take two arguments"
    if all(signature.parameters[name].default is not inspect.Parameter.empty for name in bound.arguments):
        return "this one needs no arguments, so it seems to make the views: call it"
    return None


def check_channels(views: Any, shape: tuple[int | None, ...], given: bool) -> None:
    """Raises if views change the colors of images that have other channels than red, green and blue, or one.

    Args:
        views: as `as_views` gives them.
        shape: of the encoder's input.
        given: whether the user gave the views; if not, the message says to.
    """
    if (
        isinstance(shape, tuple)
        and len(shape) == 4
        and shape[-1] not in (None, 1, 3)
        and getattr(views, "colors", False)
    ):
        whose = "`views` change" if given else "The default views change"
        raise ValueError(
            f"{whose} the colors red, green and blue, and the encoder takes images of {shape[-1]} channels. Pass views "
            "that leave colors alone, such as `views=keras_ssl.views.simclr(color=False)`. "
            f"Received: encoder with input shape {shape}"
        )
