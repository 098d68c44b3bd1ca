"""Accuracy online on labels that change: the ratio of updates raised once active units settle, and always high."""

from benchmarks.proofs._shared import Timed

NAME = "AdaptiveReplayRatio"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "AdaptiveReplayRatio", "high ratio"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from sklearn.datasets import load_digits

    from keras_ssl.callbacks import AdaptiveReplayRatio
    from keras_ssl.evaluation import fraction_of_active_units, relu_activations

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    found = Timed()
    for name, low in (("AdaptiveReplayRatio", 0.5), ("high ratio", 4.0)):
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
        model = keras.Sequential([keras.layers.Input((64,)), *hidden, keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(5e-3), loss)
        replay = AdaptiveReplayRatio(low=low, high=4.0)
        right, memory, names = [], [], np.arange(10)
        for step in range(300):
            if step % 30 == 0 and step < 150:  # in the first half the meaning of the labels changes
                names = rng.permutation(10)
            batch = rng.integers(0, len(x), 32)
            target = names[y[batch]]
            right.append(np.mean(np.asarray(keras.ops.convert_to_numpy(model(x[batch]))).argmax(axis=1) == target))
            memory = [*memory, (batch, target)][-20:]
            for _ in range(replay.due()):
                inputs, labels = memory[rng.integers(len(memory))]
                model.train_on_batch(x[inputs], labels)
            if step % 25 == 24:
                replay.update(fraction_of_active_units(relu_activations(model, x[:300])))
        found[name] = float(np.mean(right))
        found[f"active units, {name}"] = fraction_of_active_units(relu_activations(model, x[:300]))
    return found
