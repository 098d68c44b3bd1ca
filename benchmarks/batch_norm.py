"""A batch norm of a map, forward and backward, by Keras and by ours, with and without XLA: processor time, one thread.

`python benchmarks/batch_norm.py` on the TensorFlow backend. The least of several runs by turns, as the machine may do
other things beside. What came of it is in `benchmarks/NOTES.md`.
"""

import time
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import app, flags

from keras_ssl.layers.batch_normalization import BatchNormalization

ROUNDS = flags.DEFINE_integer("rounds", 12, "Runs of each.", lower_bound=1)

_SHAPES = ((256, 32, 32, 16), (256, 16, 16, 32), (256, 8, 8, 64))  # of ConvNet's first blocks, at 32 pixels


def program(layer: keras.layers.Layer, shape: tuple[int, ...], jit_compile: bool) -> Callable[[], None]:
    """The layer's output and gradients for random inputs, as a compiled function."""
    x, weights = (tf.random.stateless_normal(shape, (0, seed)) for seed in range(2))
    layer.build(shape)

    @tf.function(jit_compile=jit_compile)
    def step(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return [y, *tape.gradient(y, [x, *layer.trainable_variables], weights)]

    return lambda: step(x)


def main(_: list[str]) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for shape in _SHAPES:
        programs = {
            name + (", XLA" if jit_compile else ""): program(layer(), shape, jit_compile)
            for jit_compile in (False, True)
            for name, layer in (
                ("Keras", lambda: keras.layers.BatchNormalization(synchronized=True)),
                ("ours", BatchNormalization),
            )
        }
        seconds: dict[str, float] = {}
        for _round in range(ROUNDS.value + 1):
            for name, run in programs.items():
                before = time.process_time()
                run()
                if _round:  # the first compiles
                    seconds[name] = min(time.process_time() - before, seconds.get(name, float("inf")))
        print(shape, ", ".join(f"{name} {value * 1e3:.1f} ms" for name, value in seconds.items()), flush=True)


if __name__ == "__main__":
    app.run(main)
