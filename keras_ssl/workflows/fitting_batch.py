"""A batch that fits into memory: where the first steps run out of it, the run begins anew with half as much."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_ssl.hub.read_run import RECIPE_NAME
from keras_ssl.hub.recipe import Recipe
from keras_ssl.messages import say
from keras_ssl.paths import user_path
from keras_ssl.workflows.training_run import TrainingRun

_LEAST = 2
_JAX_MARK = "RESOURCE_EXHAUSTED"  # how XLA's errors begin


def train_what_fits(
    start: Callable[[int | None], TrainingRun], batch_size: int, chosen: bool
) -> tuple[TrainingRun, dict[str, float]]:
    """Trains; with half of the batch, and again half, while memory does not suffice for the first steps.

    A run that has saved a checkpoint is not begun anew: what fitted at first does not stop fitting, so it is something
    else that takes the memory.

    Args:
        start: makes a run of a batch size; None is the one that was planned.
        batch_size: the one that was planned.
        chosen: whether it was chosen, and not given by the user: else it is kept, and the error tells of it.

    Returns:
        The run and its results.

    Raises:
        MemoryError: if memory does not suffice; the message names `batch_size`.
    """
    size: int | None = None
    while True:
        run = start(size)
        try:
            return run, run.train()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            has = batch_size if size is None else size
            begun = run.checkpoint.latest_path is not None
            if not chosen or begun or has < 2 * _LEAST:
                advice = "another program may hold it" if begun else f"`batch_size={max(has // 2, 1)}` takes half of it"
                raise MemoryError(f"Memory does not suffice: {advice}. Received: batch_size={has}") from error
        del run
        gc.collect()  # the weights and the compiled step of the run that failed
        size = has // 2
        say(f"training.batch_size = {size}: {has} images and their views do not fit into memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that a device or the process has no memory left."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "ResourceExhaustedError":
            return True
        jax = sys.modules.get("jax")
        if jax is not None and isinstance(seen, jax.errors.JaxRuntimeError) and _JAX_MARK in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def settled_batch(recipe_of: Callable[[int | None], Recipe], out: Any) -> int | None:
    """The batch size of the run in a folder where that is the recipe with a smaller batch, as memory asked for; else
    None. So that the same command goes on with it.

    Args:
        recipe_of: makes the recipe of a batch size; None is the one that is chosen.
        out: the folder.
    """
    path = Path(user_path(out)) / RECIPE_NAME
    if not path.is_file():
        return None
    there, planned = Recipe.read(path), recipe_of(None)
    size, most = (recipe.sections["training"]["batch_size"] for recipe in (there, planned))
    halves = [most >> step for step in range(1, most.bit_length()) if most >> step >= _LEAST]
    return size if size in halves and recipe_of(size) == there else None
