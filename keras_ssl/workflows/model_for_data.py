"""A method with the settings that suit some images: what `SSLModel.for_data` calls."""

from typing import Any, TypeVar

import keras

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training import DataScale, SSLModel
from keras_ssl.training.advice import on_cpu
from keras_ssl.training.encoder_front import encoder_shapes
from keras_ssl.views import OwnViews
from keras_ssl.workflows.choices import LEAST, check_method, facts_of
from keras_ssl.workflows.scaled_settings import own_views, scaled_settings
from keras_ssl.workflows.training_length import (
    batches_of,
    chosen_batch_size,
    chosen_epochs,
    chosen_optimizer,
)

Objective = TypeVar("Objective", bound=SSLModel)


def model_for_data(
    kind: type[Objective],
    encoder: keras.Model,
    data: Any,
    *,
    batch_size: int | None = None,
    epochs: int | None = None,
    **given: Any,
) -> Objective:
    """See `SSLModel.for_data`."""
    check_method(kind, given)
    facts, cpu = facts_of(data), on_cpu()
    if facts.count is not None and facts.count < LEAST:
        raise ValueError(f"`data` must hold at least {LEAST} images. Received: data with {facts.count} images")
    if isinstance(data, EpochBatches) and batch_size is None:
        batch_size = data.batch_size
    batch_size = chosen_batch_size(facts.count, cpu) if batch_size is None else batch_size
    batch_size = check_integer("batch_size", batch_size, 2, facts.count)
    epochs = chosen_epochs(facts.count, batch_size, cpu) if epochs is None else check_integer("epochs", epochs, 1)
    batches = batches_of(facts.count, batch_size)
    shape, features = encoder_shapes(encoder)
    fixed = shape[1] if isinstance(shape, tuple) and len(shape) == 4 else None
    size = fixed or getattr(encoder, "image_size", None) or facts.side or 224
    scale = DataScale(
        images=facts.count,
        image_size=size,
        channels=facts.channels,
        feature_dim=int(features[-1] or 0),
        batch_size=batch_size,
        updates=None if batches is None else epochs * batches,
    )
    given = scaled_settings(kind, scale, given)
    # Views of one's own, and precomputed ones, are taken as they are.
    given.setdefault("views", OwnViews(**own_views(size, facts.channels)))
    model = kind(encoder, **given)
    model.compile(chosen_optimizer(encoder, batch_size, epochs, batches))
    own = {} if isinstance(data, EpochBatches) else {"batch_size": batch_size}
    model.fit_arguments = {**own, "epochs": epochs}
    return model
