"""Ways to make an objective other than by its arguments: around a published encoder, and for the data at hand."""

import importlib
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras

from keras_ssl.training.data_scale import DataScale


class Makers:
    """Class methods of `SSLModel` that make a model."""

    fit_arguments: Mapping[str, Any]
    """Batch size and epochs for `fit`, of a model that `for_data` has made."""

    chosen_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments without a default that `small_settings` gives, whatever the number of images."""

    fixed_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of a base class that a class does not take."""

    @classmethod
    def from_entry(
        cls,
        entry: str | os.PathLike[str],
        *args: Any,
        image_size: int | None = None,
        pooling: str | None = "auto",
        accept_license: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """The objective around the encoder of a zoo entry, with new heads, to go on pretraining.

        Args:
            entry: a name of `keras_ssl.list_models()`, or the folder that `keras_ssl.export` wrote.
            *args: arguments of the objective after the encoder.
            image_size: side of the images in pixels; of a vision transformer the positions are interpolated to it.
                Defaults to None: the entry's.
            pooling: as for `keras_ssl.load`. Defaults to "auto": what the entry says.
            accept_license: as for `keras_ssl.load`. Defaults to None.
            **kwargs: other arguments of the objective. `preprocessing` is the entry's where it is not given.

        Raises:
            ValueError: if there is no such entry, the objective does not take its encoder, or `image_size` or the views
                are no multiples of its patch size.

        Example:

        ```python
        model = keras_ssl.BarlowTwins.from_entry("barlow_digits", projector=(256, 256))
        rates = keras_ssl.training.encoder_rates(model.encoder, decay=0.75)
        model.compile(keras_ssl.optimizers.LayerWiseRates(keras.optimizers.AdamW(1e-3), rates))
        ```
        """
        # By its name, because the zoo is built on objectives.
        make = importlib.import_module("keras_ssl.hub.starting_point").objective_from_entry
        options = {"image_size": image_size, "pooling": pooling, "accept_license": accept_license}
        return make(cls, entry, *args, **options, **kwargs)

    @classmethod
    def for_data(
        cls,
        encoder: keras.Model,
        data: Any,
        *,
        batch_size: int | None = None,
        epochs: int | None = None,
        **kwargs: Any,
    ) -> Self:
        """The objective with settings for the size of the data, compiled; the class's own are the paper's.

        Heads, queue, momentum, temperature and numbers of prototypes follow from the number of images and the width of
        the features (see `keras_ssl.training.DataScale`), the views are the objective's own at the images' size, and
        the optimizer is Adam (AdamW around a transformer) with a warm-up and a cosine over all epochs.
        `model.fit_arguments` holds the batch size and the epochs that the schedule is made for. `compile` again takes
        another optimizer.

        Args:
            encoder: a built `keras.Model` that maps images to features `[N, F]`.
            data: an array of images `[N, H, W, C]`, a data set of `keras_ssl.data`, or a folder of images; only its
                sizes are looked at.
            batch_size: images in a batch. Defaults to None: chosen; of a data set, its own.
            epochs: that the model will be trained. Defaults to None: chosen.
            **kwargs: arguments of the objective, which come before what is chosen.

        Returns:
            A compiled model.

        Raises:
            ValueError: if the data are no images or too few, or the objective needs more than images, such as labels.

        Example:

        ```python
        model = keras_ssl.BarlowTwins.for_data(keras_ssl.encoders.ConvNet(), images, epochs=20)
        model.fit(images, **model.fit_arguments)
        ```
        """
        make = importlib.import_module("keras_ssl.workflows.model_for_data").model_for_data
        return make(cls, encoder, data, batch_size=batch_size, epochs=epochs, **kwargs)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments that this objective wants for fewer than 100,000 images, where the rules that all share do not do.

        Of a larger number, only `chosen_arguments` are taken from it.

        Args:
            scale: of the training, whose methods give sizes.
            given: the arguments that the user has set, which come first.

        Returns:
            Arguments by name, which come before those of the shared rules.
        """
        return {}
