"""How many replicas share a global batch, and what their number rules out."""

from typing import Any

import keras

from keras_ssl.layers.batch_normalization import trained_batch_norms
from keras_ssl.messages import warn


def replica_count(model: keras.Model) -> int:
    """The number of replicas that one global batch of `model` is divided among (seen from outside a step)."""
    if keras.backend.backend() == "tensorflow":
        return int(model.distribute_strategy.num_replicas_in_sync)
    distribution = keras.distribution.distribution()
    if isinstance(distribution, keras.distribution.DataParallel):
        return int(distribution.device_mesh.shape[0])
    return 1


def check_divisible(batch_size: int, replicas: int) -> None:
    """A global batch must be divided evenly: an empty or short replica would change batch statistics, or hang."""
    if batch_size % replicas:
        raise ValueError(
            f"The global batch must be a multiple of the {replicas} replicas. Received: batch_size={batch_size}"
        )


def check_supported(model: Any) -> None:
    """Refuses the combinations that Keras itself cannot run under a tf.distribute strategy, before anything starts.

    Raises:
        ValueError: for more than one replica on TensorFlow with XLA, gradient accumulation, several steps per
            execution with the CPU's default cross-device ops, or a view that must see the global batch.
    """
    if keras.backend.backend() != "tensorflow" or replica_count(model) == 1:
        return
    if getattr(getattr(model, "views", None), "whole_batch", False):
        raise ValueError(
            "Views that make an image depend on the rest of its batch would see the parts that the replicas hold: "
            f"use one device, or the JAX backend. Received: views={model.views!r}"
        )
    if model.jit_compile is True:
        raise ValueError(
            "XLA cannot compile a step that reads variables of several devices: under a tf.distribute strategy "
            "compile with jit_compile=False (the views are still compiled by themselves), or use the JAX backend. "
            "Received: jit_compile=True"
        )
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if inner.gradient_accumulation_steps:
        raise ValueError(
            "Keras cannot accumulate gradients under a tf.distribute strategy: use a larger batch, one device, or the "
            f"JAX backend. Received: gradient_accumulation_steps={inner.gradient_accumulation_steps}"
        )
    extended = model.distribute_strategy.extended
    on_cpu = all("CPU" in device for device in getattr(extended, "worker_devices", ()))
    reduction = type(getattr(extended, "_cross_device_ops", None)).__name__
    if model.steps_per_execution > 1 and on_cpu and reduction != "ReductionToOneDevice":
        raise ValueError(
            "Several steps per execution on CPU replicas need "
            "MirroredStrategy(cross_device_ops=tf.distribute.ReductionToOneDevice()). "
            f"Received: steps_per_execution={model.steps_per_execution}"
        )


def warn_of_local_statistics(model: Any) -> None:
    """Says so where replicas normalize their parts of a batch each by itself, as Keras' layer does unless told.

    Training is then not that of one device, and the moving statistics of several processes differ.
    """
    if keras.backend.backend() != "tensorflow" or replica_count(model) == 1:
        return
    local = [layer.name for layer in trained_batch_norms(model) if not layer.synchronized]
    if local:
        others = f" and {len(local) - 3} others" if len(local) > 3 else ""
        warn(
            "Each replica normalizes its part of the batch by itself, so that this is not training on one device: make "
            "the encoder with keras_ssl.layers.BatchNormalization, or with synchronized=True. "
            f"Received: layers={local[:3]}{others}",
            stacklevel=3,
        )
