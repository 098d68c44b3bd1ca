"""SimCLR's views of photographs in files by this library: crops by the reader, what follows by compiled programs."""

import os
import time
from collections.abc import Callable
from typing import Any


def run(
    folder: str, size: int, batch_size: int, batches: int, cores: int, full: bool, interpolation: str
) -> tuple[Callable[[], Any], int]:
    """A round is so many batches, read and viewed; `full` cuts crops from the files, otherwise from center squares."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])  # before TensorFlow counts them

    import tensorflow as tf

    from keras_ssl.data import from_folder
    from keras_ssl.views import Compose, MultiView, RandomResizedCrop, simclr
    from keras_ssl.views.after_crop import without_crops
    from keras_ssl.views.view_programs import ViewPrograms

    after = simclr(size).views[0].views[1:]
    views = MultiView([Compose([RandomResizedCrop(size, interpolation=interpolation), *after])] * 2)
    data = from_folder(folder, size=size, batch_size=batch_size, labelled=False, **({"crops": views} if full else {}))
    programs = ViewPrograms(without_crops(views) if full else views)

    @tf.function
    def make(inputs: Any, step: tf.Tensor) -> list[tf.Tensor]:
        return programs(inputs, 0, step, tf.range(batch_size))

    numbers = iter(range(10**9))

    def rounds() -> dict[str, float]:
        begun = time.process_time()
        for _ in range(batches):
            number = next(numbers)
            data.epoch = number // len(data)
            made = make(data[number % len(data)]["x"], tf.constant(number))
        made[-1].numpy()
        return {"cpu": time.process_time() - begun}

    return rounds, 2 * batch_size * batches
