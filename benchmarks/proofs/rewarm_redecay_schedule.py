"""Error of hidden pixels, mean over two domains of digits trained on one after another by re-warming and re-decaying:
with a replay share of 5%, and without."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, autoencoder, domains, follow, rates_of, reconstruction_error
from benchmarks.proofs._shared import Timed

NAME = "RewarmRedecaySchedule"
MEASURE = "error of hidden pixels, mean over the domains"
METHOD, BASELINE = "re-warmed with replay", "re-warmed without replay"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import ReplayMixture
    from keras_ssl.schedules import RewarmRedecaySchedule

    (old, old_test), (new, new_test), _ = domains(seed)
    batch, epochs, peak = 65, 30, 3e-3
    steps = epochs * len(old) // batch
    rewarmed = rates_of(RewarmRedecaySchedule(peak, [steps, steps], steps // 20, final=0.01 * peak), 2 * steps)
    model = autoencoder(seed)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    restart, found = Restart(model), Timed()

    def trained(name: str, share: float, rates: np.ndarray) -> None:
        restart()
        keras.utils.set_random_seed(seed)
        callback = follow(rates)
        model.fit(old, old, batch_size=batch, epochs=epochs, verbose=0, callbacks=[callback])
        data = ReplayMixture((new, new), (old, old), share, batch, seed)
        left = steps
        while left:  # as many steps, whatever the length of an epoch is
            done = min(left, len(data))
            model.fit(data, epochs=data.epoch + 1, initial_epoch=data.epoch, steps_per_epoch=done, shuffle=False,
                      verbose=0, callbacks=[callback])  # fmt: skip
            left -= done
        errors = [reconstruction_error(model, images) for images in (old_test, new_test)]
        found[name], found[f"{name}, old domain"] = float(np.mean(errors)), errors[0]

    trained("re-warmed with replay", 0.05, rewarmed)
    trained("re-warmed without replay", 0.0, rewarmed)
    trained("replay at the last rate", 0.05, np.append(rewarmed[:steps], 0.01 * peak))
    return found
