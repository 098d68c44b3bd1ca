"""Error of hidden pixels of test images after equally many steps: one epoch over all training images, and ten epochs
over a tenth of them; and how far a power law fitted to the first half of the steps misses the last loss."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, autoencoder, digits, reconstruction_error

NAME = "OneEpochBudget"
MEASURE = "error of hidden pixels"
METHOD, BASELINE = "one epoch", "ten epochs"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.callbacks import UniquePassCheck
    from keras_ssl.schedules import fit_power_law

    x, _, x_test, _ = digits(seed, 1600)
    model = autoencoder(seed)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    restart, batch = Restart(model), 4
    order = np.random.default_rng(seed).permutation(len(x))
    curve: list[float] = []

    class Curve(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if (batch + 1) % 25 == 0:
                curve.append(reconstruction_error(self.model, x_test))

    once = UniquePassCheck(lambda epoch, step: order[batch * step : batch * step + batch])
    model.fit(x[order], x[order], batch_size=batch, shuffle=False, verbose=0, callbacks=[once, Curve()])
    found = {"one epoch": curve[-1]}
    steps = 25.0 * np.arange(1, len(curve) + 1)
    half = len(curve) // 2
    law = fit_power_law(steps[2:half], curve[2:half])
    found["relative miss of the power law"] = abs(float(law(steps[-1])) / curve[-1] - 1.0)
    restart()
    tenth = x[order[:160]]
    keras.utils.set_random_seed(seed)
    model.fit(tenth, tenth, batch_size=batch, epochs=10, verbose=0)
    found["ten epochs"] = reconstruction_error(model, x_test)
    return found
