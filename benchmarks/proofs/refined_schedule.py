"""Loss on test images of a network trained by SGD, each schedule with the best of three peaks: refined by the gradient
norms of a run with linear decay, and cosine."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, classifier, digits, follow, rates_of

NAME = "RefinedSchedule"
MEASURE = "loss on test images"
METHOD, BASELINE = "refined", "cosine"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.callbacks import GradientNormRecorder
    from keras_ssl.schedules import LinearDecay, RefinedSchedule, WarmupCosine

    x, y, x_test, y_test = digits(seed, 1000)
    epochs, batch, peaks = 8, 50, (0.1, 0.3, 1.0)
    steps = epochs * len(x) // batch
    model = classifier(seed)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    restart = Restart(model)

    def tested(rates: np.ndarray, *callbacks: keras.callbacks.Callback) -> float:
        restart()
        keras.utils.set_random_seed(seed)
        model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[follow(rates), *callbacks])
        return float(model.evaluate(x_test, y_test, verbose=0))

    found: dict[str, list[float]] = {"refined": [], "linear": [], "cosine": []}
    for peak in peaks:
        recorder = GradientNormRecorder()
        found["linear"].append(tested(rates_of(LinearDecay(peak, steps), steps), recorder))
        found["refined"].append(tested(rates_of(RefinedSchedule(peak, recorder.norms), steps)))
        found["cosine"].append(tested(rates_of(WarmupCosine(peak, steps), steps)))
    return {name: min(losses) for name, losses in found.items()}
