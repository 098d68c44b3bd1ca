"""The main job on one page: pretrain, watch, evaluate, export, load, fine-tune. `make demo` runs it.

Pretrains Barlow Twins on handwritten digits that are drawn in random colors, places and sizes, without their labels,
and compares what the encoder then knows with raw pixels, with the untrained encoder and with a supervised one. Figures
go to OUTPUT/results.json, TensorBoard logs to OUTPUT/tensorboard, the exported encoder to saved_models/demo.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags, logging

import keras_ssl
from keras_ssl import callbacks, evaluation
from keras_ssl.callbacks.write_guard import WriteGuard
from keras_ssl.messages import guarded_output
from keras_ssl.paths import user_path

RECIPE = flags.DEFINE_string("recipe", "barlow_twins_digits", "Name or file of the recipe to pretrain by.")
OUTPUT = flags.DEFINE_string("output", "runs/demo", "Folder for logs and results.")
EXPORT = flags.DEFINE_string("export", "saved_models/demo", "Folder to export the encoder to.")
EPOCHS = flags.DEFINE_integer("epochs", None, "Epochs of pretraining; the recipe's where not given.", lower_bound=1)
SHORTENED = flags.DEFINE_bool(
    "shortened", False, "Run a tenth of the epochs: shows that all parts work, not that they learn."
)

CLASSES = 10
SUPERVISED_EPOCHS = 12
FINE_TUNING_EPOCHS = 45

Digits = dict[str, tuple[np.ndarray, np.ndarray]]


def score(features: dict[str, np.ndarray], digits: Digits) -> dict[str, float]:
    """kNN and linear-probe accuracy of features of the training and test images."""
    arguments = (features["train"], digits["train"][1], features["test"], digits["test"][1])
    return {"knn": evaluation.knn_accuracy(*arguments), "linear": evaluation.linear_probe(*arguments)}


def score_model(model: keras.Model, digits: Digits) -> dict[str, float]:
    return score({split: evaluation.extract_features(model, x) for split, (x, _) in digits.items()}, digits)


def untrained(recipe: keras_ssl.Recipe) -> keras.Model:
    """The recipe's encoder before training, with its preprocessing in front."""
    model = recipe.build_model()
    images = keras.Input(model.encoder_input_shape[1:], dtype="uint8")
    return keras.Model(images, model.encoder(model.encoder_input(images)))


def supervised(recipe: keras_ssl.Recipe, digits: Digits, epochs: int) -> keras.Model:
    """The same encoder trained with all the labels."""
    base = untrained(recipe)
    model = keras.Sequential([keras.Input(base.input_shape[1:], dtype="uint8"), base, keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, jit_compile=False)
    model.fit(*digits["train"], batch_size=128, epochs=epochs, verbose=0)
    return base


def pretrain(recipe: keras_ssl.Recipe, digits: Digits, output: Path) -> keras_ssl.SSLModel:
    training = recipe.sections["training"]
    model = recipe.build_model()
    images = digits["train"][0]
    test_images, test_labels = (part[:1000] for part in digits["test"])
    model.compile(recipe.build_optimizer(len(images) // training["batch_size"]), jit_compile=training["jit_compile"])
    model.fit(
        images,
        batch_size=training["batch_size"],
        epochs=training["epochs"],
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            callbacks.Throughput(training["batch_size"]),
            callbacks.OnlineKNN(*digits["train"], *digits["test"], every=5),
            callbacks.TensorBoard(output / "tensorboard", test_images, test_labels, hparams=recipe.sections),
        ],
    )
    return model


def table(results: dict[str, Any]) -> str:
    rows = [f"{'accuracy on test images':28} {'kNN':>7} {'linear':>7}"]
    for key, name in (
        ("raw_pixels", "raw pixels"),
        ("untrained", "untrained encoder"),
        ("pretrained", "pretrained, no labels"),
        ("supervised", "supervised, all labels"),
    ):
        rows.append(f"{name:28} {results['knn'][key]:7.1%} {results['linear'][key]:7.1%}")
    tuned = results["finetune_10pct"]
    rows += [
        "",
        f"{'fine-tuned on 10 % of labels':28} {'accuracy':>8}",
        f"{'  from scratch':28} {tuned['scratch']:8.1%}",
        f"{'  from the pretrained encoder':29}{tuned['pretrained']:8.1%}",
    ]
    return "\n".join(rows)


@guarded_output()
def main(_: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    began = time.perf_counter()
    callbacks.check_writable(OUTPUT.value)
    output = Path(user_path(OUTPUT.value))
    recipe = keras_ssl.Recipe.read(RECIPE.value)
    epochs = EPOCHS.value or recipe.sections["training"]["epochs"]
    share = 10 if SHORTENED.value else 1
    recipe = recipe.override(f"training.epochs={max(1, epochs // share)}")
    seed = recipe.sections["training"]["seed"]
    keras.utils.set_random_seed(seed)

    size = recipe.sections["data"]["size"]
    digits = {split: keras_ssl.data.colored_digits(split, seed=seed, size=size) for split in ("train", "test")}
    count, tests = len(digits["train"][0]), len(digits["test"][0])
    print(f"{count} training and {tests} test images of {size}x{size} pixels, {CLASSES} classes")

    pixels = {split: x.reshape(len(x), -1) / np.float32(255) for split, (x, _) in digits.items()}
    scores = {"raw_pixels": score(pixels, digits), "untrained": score_model(untrained(recipe), digits)}
    print(f"raw pixels: kNN {scores['raw_pixels']['knn']:.1%}; untrained: kNN {scores['untrained']['knn']:.1%}\n")

    print(f"Pretraining without labels by the recipe {RECIPE.value}")
    model = pretrain(recipe, digits, output)
    scores["pretrained"] = score_model(model, digits)
    print("\nTraining the same encoder with all labels, to compare")
    scores["supervised"] = score_model(supervised(recipe, digits, max(1, SUPERVISED_EPOCHS // share)), digits)

    exported = keras_ssl.export(
        model,
        EXPORT.value,
        description="Barlow Twins on handwritten digits in random colors, places and sizes.",
        data=f"colored_digits, {count} training images, seed {seed}",
        license="Apache-2.0",
        results={f"{kind}_accuracy": round(value, 4) for kind, value in scores["pretrained"].items()},
        recipe=recipe,
        overwrite=True,
    )
    print(f"\nExported to {exported}; fine-tuning what keras_ssl.load returns, and from scratch")
    epochs = max(1, FINE_TUNING_EPOCHS // share)
    results: dict[str, Any] = {
        kind: {name: score[kind] for name, score in scores.items()} for kind in ("knn", "linear")
    }
    tuned = evaluation.finetune(
        keras_ssl.load(exported), *digits["train"], *digits["test"], fraction=0.1, from_scratch=True, epochs=epochs
    )
    results["finetune_10pct"] = {"pretrained": tuned.accuracy, "scratch": tuned.scratch}
    results["seconds"] = round(time.perf_counter() - began, 1)
    with WriteGuard().writing(output / "results.json") as path:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")

    print(f"\n{table(results)}\n\n{results['seconds']:.0f} seconds; figures in {output / 'results.json'}. Next:")
    print(f"  tensorboard --logdir {output / 'tensorboard'}")
    print(f"  python -c 'import keras_ssl; keras_ssl.load(\"{exported}\").summary()'")
    print("  python scripts/pretrain.py --recipe=simclr_digits --data=colored_digits --logdir=runs/simclr")


if __name__ == "__main__":
    app.run(main)
