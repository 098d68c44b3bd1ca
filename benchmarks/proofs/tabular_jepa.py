"""Logistic regression on a tenth of the labels of two tables: raw columns, an untrained encoder, T-JEPA's."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed, trained

NAME = "TabularJEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "breast_cancer, T-JEPA", "breast_cancer, raw"


def run(seed: int) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    import keras_ssl
    from keras_ssl.hub.recipe_data import data_source

    found = Timed()
    for table in ("breast_cancer", "wine"):
        run = (f"data.name=sklearn:{table}", f"training.seed={seed}")
        if table == "wine":
            run += ("training.batch_size=32", "training.epochs=100")
        data = data_source(f"sklearn:{table}").read()
        y, y_test = data.y, data.y_test
        labeled = np.random.default_rng(seed).permutation(len(y))[: max(len(y) // 10, 30)]

        def accuracy(
            train: np.ndarray, test: np.ndarray, rows: np.ndarray = labeled, y: Any = y, to: Any = y_test
        ) -> float:
            scale = StandardScaler().fit(train)
            probe = LogisticRegression(max_iter=2000).fit(scale.transform(train[rows]), y[rows])
            return float(probe.score(scale.transform(test), to))

        raw = [np.stack(list(x.values()), axis=1) for x in (data.x, data.x_test)]
        found[f"{table}, raw"] = accuracy(*raw)
        recipe = keras_ssl.Recipe.read("tabular_jepa_breast_cancer").override(*run)
        for name, model in (
            ("untrained", recipe.build_model()),
            ("T-JEPA", trained("tabular_jepa_breast_cancer", *run)),
        ):
            encoded = [model.predict(x, verbose=0) for x in (data.x, data.x_test)]
            found[f"{table}, {name}"] = accuracy(*encoded)
            found[f"{table}, {name}, RankMe"] = keras_ssl.evaluation.rankme(encoded[1])
    return found
