"""An encoder beside others and beside new weights, on one budget."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import compare_encoders, extract_features, finetune, linear_probe
from keras_ssl.evaluation.compare_encoders import EncoderComparison, comparison_table
from keras_ssl.evaluation.stratified_subset import stratified_subset

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (RNG.normal(size=(3, 6))[Y] + 0.7 * RNG.normal(size=(60, 6))).astype("float32").reshape(60, 1, 2, 3)
TEST = X[40:], Y[40:]
BUDGET = {"fraction": 0.5, "epochs": 3, "batch_size": 8}


def encoder(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.layers.Input((1, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(5, "tanh")])


def test_rows_are_those_of_the_probe_and_of_fine_tuning():
    models = {"mine": encoder(1), "other": encoder(2)}
    rows = {row.name: row for row in compare_encoders(models, X[:40], Y[:40], *TEST, seeds=2, **BUDGET)}
    assert list(rows) == ["untrained", "scratch", "mine", "other"]
    for name, model in models.items():
        for seed in range(2):
            chosen = stratified_subset(Y[:40], 0.5, seed)
            features = extract_features(model, X[:40][chosen]), extract_features(model, TEST[0])
            assert rows[name].head[seed] == linear_probe(features[0], Y[:40][chosen], features[1], TEST[1])
            found = finetune(model, X[:40], Y[:40], *TEST, from_scratch=True, seed=seed, **BUDGET)
            assert rows[name].finetuned[seed] == pytest.approx(found.accuracy)
            if name == "mine":
                assert rows["scratch"].finetuned[seed] == pytest.approx(found.scratch)
    assert rows["scratch"].head == () and rows["untrained"].finetuned == () and len(rows["untrained"].head) == 2
    assert {(row.labels, row.epochs) for row in rows.values()} == {(len(stratified_subset(Y[:40], 0.5, 0)), 3)}


def test_baselines_are_asked_for():
    rows = compare_encoders({"mine": encoder(1)}, X[:40], Y[:40], *TEST, baselines=(), seeds=1, **BUDGET)
    assert [row.name for row in rows] == ["mine"]


@pytest.mark.slow
def test_a_trained_encoder_is_worth_more_than_new_weights():
    x, y = keras_ssl.data.colored_digits("train", count=600)
    x_test, y_test = keras_ssl.data.colored_digits("test", count=400)
    model = keras_ssl.load("barlow_digits", trainable=False)
    rows = compare_encoders({"mine": model}, x, y, x_test, y_test, ["untrained"], fraction=0.2, seeds=1, epochs=2)
    untrained, mine = (row.head[0] for row in rows)
    assert mine > untrained + 0.15


def test_the_table_shows_the_spread_over_seeds():
    rows = [EncoderComparison("a", (0.5, 0.7), (), 12, 3), EncoderComparison("b", (), (0.25,), 12, 3)]
    first, second = comparison_table(rows)
    assert first["head on frozen features"] == "60.0 ± 14.1" and first["fine-tuned"] == ""
    assert second["fine-tuned"] == "25.0" and (first["seeds"], second["seeds"]) == ("2", "1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": ["random"]}, "baselines="),
        ({"seeds": 0}, "seeds=0"),
        ({"fraction": 0.0}, "fraction=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"models": {}}, "models="),
        ({"models": {"scratch": None}}, "models="),
    ],
)
def test_refuses(changes, message):
    given = {"models": {"mine": encoder(1)}, **BUDGET, **changes}
    with pytest.raises(ValueError, match=message):
        compare_encoders(given.pop("models"), X[:40], Y[:40], *TEST, **given)
