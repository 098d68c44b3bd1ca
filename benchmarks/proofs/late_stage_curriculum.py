"""Accuracy on clean test images, from many noisy images with noisy labels and few clean ones, with the rate annealed
over the last quarter: the clean ones come mostly in that quarter, or as many of them evenly over the run."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, classifier, digits

NAME = "LateStageCurriculum"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "late-stage curriculum", "the same mix throughout"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.callbacks import LateStageCurriculum
    from keras_ssl.data import DataMixture
    from keras_ssl.optimizers import average_annealed_runs

    x, y, x_test, y_test = digits(seed)
    rng = np.random.default_rng(seed)
    clean, noisy = (x[:300], y[:300]), (x[300:], y[300:])
    wrong = rng.random(len(noisy[1])) < 0.6
    labels = np.where(wrong, rng.integers(0, 10, len(noisy[1])), noisy[1])
    noisy = ((noisy[0] + 0.3 * rng.normal(size=noisy[0].shape)).astype("float32"), labels)
    epochs, steps, batch = 16, 50, 32
    total = epochs * steps
    switch = 3 * total // 4

    def built() -> keras.Model:
        model = classifier(seed)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(2e-3), loss)
        return model

    def mixture(share: float, data_seed: int, epoch: int = 0) -> DataMixture:
        return DataMixture([noisy, clean], (1.0 - share, share), steps, batch, data_seed, epoch)

    def accuracy(model: keras.Model) -> float:
        return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())

    # The first part once, the annealed part twice over data in other orders.
    model, runs = built(), []
    model.fit(mixture(0.05, seed), epochs=switch // steps, shuffle=False, verbose=0)
    checkpoint = Restart(model)
    for data_seed in (seed, seed + 100):
        checkpoint()
        data = mixture(0.05, data_seed, switch // steps)
        late = LateStageCurriculum(data, (0.2, 0.8), switch, total)
        model.fit(data, epochs=epochs - switch // steps, shuffle=False, verbose=0, callbacks=[late])
        runs.append(model.get_weights())
    model.set_weights(runs[0])
    found = {"late-stage curriculum": accuracy(model)}
    model.set_weights(average_annealed_runs(runs))
    found["mean of two annealed runs"] = accuracy(model)
    even, data = built(), mixture(0.75 * 0.05 + 0.25 * 0.8, seed)
    late = LateStageCurriculum(data, data.proportions_at(0), switch, total)
    even.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=[late])
    found["the same mix throughout"] = accuracy(even)
    return found
