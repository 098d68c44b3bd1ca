"""Error of hidden pixels, mean over three domains of digits trained on one after another: an infinite schedule with a
last annealing, and repeated cosines of the same peak and steps."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, autoencoder, domains, follow, rates_of, reconstruction_error
from benchmarks.proofs._shared import Timed

NAME = "InfiniteLearningRate"
MEASURE = "error of hidden pixels, mean over the domains"
METHOD, BASELINE = "infinite", "repeated cosine"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.schedules import InfiniteLearningRate, RepeatedCosineDecay

    stream, epochs, batch = domains(seed), 30, 65
    steps = epochs * len(stream[0][0]) // batch
    total, peak = len(stream) * steps, 3e-3
    schedules = {
        "infinite": InfiniteLearningRate(
            peak, 0.25 * peak, steps // 20, steps // 2, total_steps=total, anneal_steps=steps // 5
        ),
        "repeated cosine": RepeatedCosineDecay(peak, steps, steps // 20, final=0.0025 * peak),
    }
    model = autoencoder(seed)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    restart, found = Restart(model), Timed()
    for name, schedule in schedules.items():
        restart()
        keras.utils.set_random_seed(seed)
        callback = follow(rates_of(schedule, total))
        for x, _ in stream:
            model.fit(x, x, batch_size=batch, epochs=epochs, verbose=0, callbacks=[callback])
        errors = [reconstruction_error(model, x_test) for _, x_test in stream]
        found[name] = float(np.mean(errors))
        found[f"{name}, first domain"], found[f"{name}, last domain"] = errors[0], errors[-1]
    return found
