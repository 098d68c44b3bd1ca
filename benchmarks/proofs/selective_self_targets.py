"""Drift from the base model (KL of its predictions on old images) after fine-tuning on others: SelectiveSelfTargets
beside the cross-entropy, at the accuracies that are told too."""

import numpy as np

from benchmarks.proofs._distilled import CLASSES, data, teacher
from benchmarks.proofs._shared import Timed

NAME = "SelectiveSelfTargets"
MEASURE = "KL from the base model"
METHOD, BASELINE = "SelectiveSelfTargets", "cross-entropy"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl import views

    x, y, x_test, y_test = data()
    base = teacher(x[:700], y[:700], seed, width=64)
    new = 255 - x[700:]  # inverted
    before = keras.ops.convert_to_numpy(keras.ops.log_softmax(base(x_test / 255.0)))
    found = Timed()
    for name in ("SelectiveSelfTargets", "cross-entropy"):
        keras.utils.set_random_seed(seed)
        mixed_x, mixed_y = np.concatenate([x[:200], new]), np.concatenate([y[:200], y[700:]])
        encoder = keras.Sequential([keras.layers.Input((8, 8, 1)), *keras.models.clone_model(base).layers[:-1]])
        encoder.set_weights(base.get_weights()[:2])
        same = views.MultiView([views.Compose([views.RandomApply(views.GaussianBlur((0.1, 0.1)), 0.0)])])
        if name == "SelectiveSelfTargets":
            model = keras_ssl.SelectiveSelfTargets(encoder, CLASSES, teacher=base, views=same, seed=seed)
        else:
            model = keras_ssl.KnowledgeDistillation(
                encoder, CLASSES, teacher=base, teacher_weight=0.0, views=same, seed=seed
            )
        model.classifier.set_weights(base.get_weights()[2:])
        model.compile(keras.optimizers.Adam(2e-3), jit_compile=False)
        model.fit(mixed_x, mixed_y, batch_size=128, epochs=20, verbose=0)
        after = keras.ops.convert_to_numpy(keras.ops.log_softmax(model.predict(x_test, verbose=0)))
        found[name] = float(np.mean(np.sum(np.exp(before) * (before - after), axis=1)))
        found[f"{name}, accuracy old"] = float((after.argmax(axis=1) == y_test).mean())
        inverted = model.predict(255 - x_test, verbose=0).argmax(axis=1)
        found[f"{name}, accuracy new"] = float((inverted == y_test).mean())
    return found
