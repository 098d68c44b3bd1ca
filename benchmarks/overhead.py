"""What SSLModel's step costs beside the same maths in a bare loop: `python benchmarks/overhead.py`.

Both train Barlow Twins on the same ready-made views with the same weights, encoder and optimizer: once through
`fit`, once through a loop that is nothing but a `tf.function` with a tape. Rounds alternate, and the median of their
ratios is printed. A round is long enough that what each call of `fit` costs to start (about 0.1 s) does not show.
TensorFlow only.
"""

import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import keras_ssl
from keras_ssl.losses import barlow_twins_loss

STEPS = flags.DEFINE_integer("steps", 200, "Steps of a round.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds of each kind.")
BATCH = flags.DEFINE_integer("batch_size", 256, "Images of a batch.")
OUTPUT = flags.DEFINE_string("output", "", "JSON file to write the figures to.")


def make_model() -> keras_ssl.BarlowTwins:
    keras.utils.set_random_seed(0)
    model = keras_ssl.BarlowTwins(keras_ssl.encoders.ConvNet(), projector=(256, 256))
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    return model


def bare_step(model: keras_ssl.BarlowTwins) -> tf.types.experimental.GenericFunction:
    """The same maths without the base class, its state, its logs, and Keras' trainer."""
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)
    mean, std = (np.asarray(v, "float32") for v in (model.preprocessing.mean, model.preprocessing.std))

    def embed(view: tf.Tensor) -> tf.Tensor:
        return model.projector(model.encoder((view - mean) / std, training=True), training=True)

    @tf.function
    def step(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = barlow_twins_loss(embed(first), embed(second))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def main(_: list[str]) -> None:
    views = [np.random.RandomState(seed).rand(BATCH.value, 16, 16, 3).astype("float32") for seed in range(2)]
    batch = tuple(tf.constant(view) for view in views)
    data = tf.data.Dataset.from_tensors((batch,)).repeat(STEPS.value)
    ours, theirs = make_model(), make_model()
    step = bare_step(theirs)

    def through_fit() -> None:
        ours.fit(data, verbose=0)

    def bare() -> None:
        for (views,) in data:
            loss = step(*views)
        float(loss)

    seconds: dict[str, list[float]] = {"fit": [], "bare loop": []}
    for number in range(ROUNDS.value + 1):
        for name, run in (("fit", through_fit), ("bare loop", bare)):
            start = time.perf_counter()
            run()
            if number:  # the first round traces
                seconds[name].append(time.perf_counter() - start)
    per_step = {name: 1000 * float(np.median(times)) / STEPS.value for name, times in seconds.items()}
    ratio = float(np.median(np.divide(seconds["fit"], seconds["bare loop"])))
    for name, milliseconds in per_step.items():
        print(f"{name:10} {milliseconds:8.2f} ms per step (median of {ROUNDS.value} rounds of {STEPS.value} steps)")
    print(f"ratio      {ratio:8.3f}")
    if OUTPUT.value:
        Path(OUTPUT.value).write_text(json.dumps({"ms_per_step": per_step, "ratio": ratio}, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
