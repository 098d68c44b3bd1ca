r"""Pretrains an encoder by a recipe.

    python scripts/pretrain.py --recipe=simclr_digits --logdir=runs/1
    python scripts/pretrain.py --recipe=barlow_twins_cifar10 --data=photos/ --epochs=200 \
        --set optimizer.learning_rate=0.1 --set views.size=64 --logdir=runs/2 --export=saved_models/photos

The log folder gets recipe.toml (the recipe with all that the flags changed), TensorBoard's files (curves, the
actual views, spectrum and similarities, the features in the projector, the recipe), checkpoints/, history.json,
results.json and model.weights.h5. What goes wrong (collapse, a dead queue, a loss at its chance value ...) is named in
a warning; --nodoctor does without. KERAS_BACKEND=jax runs it on JAX.

A run that was interrupted goes on by the same command, at the step of its last checkpoint. On SIGTERM and
SIGINT it saves one first, and ends with exit code 143 or 130: those of a program that the signal killed,
so a scheduler sees what it would see without. (A second signal kills at once.) Another recipe than the
one in the folder is refused, NaN ends the run with exit code 1; the last good checkpoint stays.
"""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import keras
from _cli import DATA_HELP, new_entry, no_arguments, user_errors, writable_folder
from absl import app, flags

import keras_ssl
from keras_ssl.callbacks.checkpoint_folder import remove_checkpoints
from keras_ssl.callbacks.online_evaluation import OnlineEvaluation
from keras_ssl.hub import atomic_file, list_recipes
from keras_ssl.random import permutation
from keras_ssl.training.batch import check_inputs

_RECIPE = flags.DEFINE_string(
    "recipe", None, f"A recipe of the library ({', '.join(list_recipes())}) or a TOML file.", required=True
)
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: the recipe's.")
_EPOCHS = flags.DEFINE_integer("epochs", None, "Number of epochs. Default: the recipe's.", lower_bound=1)
_LOGDIR = flags.DEFINE_string("logdir", None, "Folder for logs, recipe and weights.", required=True)
_SET = flags.DEFINE_multi_string(
    "set", [], "Any value of the recipe, as in --set optimizer.learning_rate=0.1; may be repeated."
)
_EXPORT = flags.DEFINE_string(
    "export", None, "Folder to export the encoder to: SavedModel, weights and card. Default: none."
)
_KNN_EVERY = flags.DEFINE_integer("knn_every", 1, "Epochs between kNN measurements.", lower_bound=1)
_DOCTOR = flags.DEFINE_bool(
    "doctor", True, "Look for collapse and other faults while training, and show the loss to expect."
)
_CHECKPOINT_STEPS = flags.DEFINE_integer(
    "checkpoint_steps", 1000, "Steps between checkpoints, beside those at the end of epochs.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a finished run in --logdir, and --export.")
_VERBOSE = flags.DEFINE_enum("verbose", "1", ["0", "1", "2"], "0: silent, 1: progress bar, 2: lines.")

_SAMPLES = 1000  # shown in TensorBoard


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        recipe = resolved_recipe()
        print(recipe.text())
        batches, labelled = recipe.build_data()
        model = recipe.build_model()
        check_inputs(batches[0]["x"], model.encoder.input_shape)
        model.compile(recipe.build_optimizer(len(batches)), jit_compile=recipe.sections["training"]["jit_compile"])
        callbacks = [keras_ssl.callbacks.StopOnNaN(), *measurements(labelled, batches.batch_size)]
        if _DOCTOR.value:
            callbacks.append(keras_ssl.callbacks.CollapseDoctor(batches[0]))
        if _EXPORT.value is not None:
            new_entry("export", _EXPORT.value, _OVERWRITE.value)
        logdir = writable_folder("logdir", _LOGDIR.value)
        if (logdir / "model.weights.h5").exists():
            if not _OVERWRITE.value:
                raise ValueError(f"--logdir holds a finished run; --overwrite replaces it. Received: --logdir={logdir}")
            remove_checkpoints(logdir / "checkpoints")
            (logdir / "model.weights.h5").unlink()
            for old in logdir.glob("events.out.tfevents.*"):
                old.unlink()  # or its curves would run into the new ones
    checkpoint = keras_ssl.callbacks.Checkpoint(
        logdir / "checkpoints",
        every_steps=_CHECKPOINT_STEPS.value,
        best=None if labelled is None else "knn_accuracy",
        settings={"recipe": recipe.sections},
        signals=(signal.SIGTERM, signal.SIGINT),
    )
    if checkpoint.latest_path is None:
        recipe.write(logdir / "recipe.toml")
    else:
        print(f"Going on from {checkpoint.latest_path}")
    callbacks += [tensorboard(logdir, recipe, labelled, batches), checkpoint]

    start = time.perf_counter()
    epochs = recipe.sections["training"]["epochs"]
    try:
        history = model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=int(_VERBOSE.value))
    except keras_ssl.callbacks.ResumeError as error:
        sys.exit(f"pretrain.py: error: {error}")
    except FloatingPointError as error:
        sys.exit(f"pretrain.py: error: {error} (the last good checkpoint: {checkpoint.latest_path})")
    results = {name: values[-1] for name, values in history.history.items()}
    results["seconds"] = time.perf_counter() - start
    with atomic_file(logdir / "model.weights.h5") as staging:
        model.save_weights(staging)
    write_json(logdir / "history.json", by_epoch(history, callbacks))
    write_json(logdir / "results.json", results)
    if _EXPORT.value is not None:
        data = str(recipe.sections["data"]["name"])
        keras_ssl.export(model, _EXPORT.value, data=data, results=results, recipe=recipe, overwrite=_OVERWRITE.value)
        print(f"Exported to {_EXPORT.value}: keras_ssl.load({_EXPORT.value!r})")
    print(f"Done in {results['seconds']:.0f} s: tensorboard --logdir {logdir}")


def resolved_recipe() -> keras_ssl.Recipe:
    """The recipe with what the flags change; --set comes last."""
    settings = []
    if _DATA.value is not None:
        settings.append(f"data.name={json.dumps(_DATA.value, ensure_ascii=False)}")
    if _EPOCHS.value is not None:
        settings.append(f"training.epochs={_EPOCHS.value}")
    return keras_ssl.Recipe.read(_RECIPE.value).override(*settings, *_SET.value)


def measurements(labelled: Any, batch_size: int) -> list[keras.callbacks.Callback]:
    """Throughput, and kNN accuracy where there are labels."""
    callbacks: list[keras.callbacks.Callback] = [keras_ssl.callbacks.Throughput(batch_size)]
    if labelled is None:
        print("No labels, or too many images to hold in memory: kNN accuracy is not measured.")
        return callbacks
    knn = keras_ssl.callbacks.OnlineKNN(
        labelled.x, labelled.y, labelled.x_test, labelled.y_test, every=_KNN_EVERY.value
    )
    return [knn, *callbacks]


def tensorboard(logdir: Path, recipe: keras_ssl.Recipe, labelled: Any, batches: Any) -> keras.callbacks.Callback:
    """Curves, views, spectrum and projector of some samples: of the test part where there is one."""
    images, labels = batches[0]["x"], None
    if labelled is not None:
        test = labelled.x_test is not None
        images, labels = (labelled.x_test, labelled.y_test) if test else (labelled.x, labelled.y)
        chosen = permutation(len(images), seed=0, epoch=0)[:_SAMPLES]
        images, labels = images[chosen], labels[chosen]
    return keras_ssl.callbacks.TensorBoard(logdir, images, labels, hparams=recipe.sections)


def by_epoch(history: Any, callbacks: list[keras.callbacks.Callback]) -> dict[str, list[float | None]]:
    """What was logged, with None for epochs without an evaluation: a value's place in its list is its epoch."""
    every_epoch = dict(history.history)
    for callback in callbacks:
        if isinstance(callback, OnlineEvaluation):
            values = iter(every_epoch.get(callback.name, ()))
            every_epoch[callback.name] = [next(values, None) if callback.is_due(n) else None for n in history.epoch]
    return every_epoch


def write_json(path: Path, values: Any) -> None:
    with atomic_file(path) as staging:
        staging.write_text(json.dumps(values, indent=2, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
