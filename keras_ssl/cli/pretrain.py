r"""Pretrains an encoder on a folder of images, or by a recipe.

    keras-ssl pretrain photos/
    keras-ssl pretrain photos/ --method=SimCLR --epochs=50 --out=runs/photos --export=saved_models/photos
    keras-ssl pretrain photos/ --from=dino_vits16 --image-size=224
    keras-ssl pretrain --recipe=barlow_twins_cifar10 --data=photos/ --set optimizer.learning_rate=0.1 --logdir=runs/2

Without a recipe, everything that is not said is chosen from the number and size of the images, and printed with its
reason; the recipe in the folder of the run has all of it. A batch that was chosen is halved, with a message, while the
memory of the device or the process does not suffice for it.

The folder gets recipe.toml (the recipe with all that the flags changed), TensorBoard's files (curves, the actual views,
spectrum and similarities, the features in the projector, the recipe), checkpoints/, history.json, results.json and
model.weights.h5. What goes wrong (collapse, a dead queue, a loss at its chance value ...) is named in a warning;
--nodoctor does without. KERAS_BACKEND=jax runs it on JAX.

A run that was interrupted goes on by the same command, at the step of its last checkpoint. On SIGTERM and
SIGINT it saves one first, and ends with exit code 143 or 130: those of a program that the signal killed,
so a scheduler sees what it would see without. (A second signal kills at once.) Another recipe than the
one in the folder is refused, unless --allow names what may change; NaN ends the run with exit code 1; the
last good checkpoint stays. A folder belongs to one run: a second start is refused before it writes.
"""

import json
import shlex
import signal
import sys
from collections.abc import Callable

from absl import flags

import keras_ssl
from keras_ssl.cli.common import DATA_HELP, MAX_DAMAGED_HELP, numbers, optional_name, program, user_errors
from keras_ssl.hub import list_recipes
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.messages import guarded_output, say
from keras_ssl.workflows.choices import Choice, DataFacts, choose, facts_of
from keras_ssl.workflows.fitting_batch import settled_batch, train_what_fits
from keras_ssl.workflows.pretrain import SMOKE_BATCHES, folder_of
from keras_ssl.workflows.training_length import chosen_warmup
from keras_ssl.workflows.training_run import TrainingRun

_RECIPE = flags.DEFINE_string(
    "recipe", None, f"A recipe of the library ({', '.join(list_recipes())}) or a TOML file. Default: one is chosen."
)
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: the recipe's.")
_METHOD = flags.DEFINE_string("method", None, "Name of an objective, without a recipe. Default: chosen.")
_ENCODER = flags.DEFINE_string("encoder", None, "Name of an encoder, without a recipe. Default: chosen.")
_START = flags.DEFINE_string(
    "start", None, "Entry of the zoo, or its folder, from whose encoder training goes on. Default: it begins anew."
)
flags.DEFINE_alias("from", "start")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of the views. Default: the recipe's, or chosen.")
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Images in a batch. Default: the recipe's, or chosen.")
_EPOCHS = flags.DEFINE_integer("epochs", None, "Number of epochs. Default: the recipe's, or chosen.", lower_bound=1)
_BANDS = flags.DEFINE_integer("bands", None, "Number of bands of a folder of .npy or TIFF stacks. Default: counted.")
_VALUE_RANGE = flags.DEFINE_list(
    "value_range", None, "Values of such stacks that become 0 and 1, as in 0,10000. Default: the range of their type."
)
_SEED = flags.DEFINE_integer("seed", None, "Of weights, order and views. Default: the recipe's, or 0.", lower_bound=0)
_SMOKE = flags.DEFINE_bool("smoke", False, "Train for two batches only, to see that all works.")
_LOGDIR = flags.DEFINE_string(
    "logdir", None, "Folder of the run. Default: runs/ and the name of the data (with _smoke)."
)
flags.DEFINE_alias("out", "logdir")
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
_ALLOW = flags.DEFINE_multi_string(
    "allow", [], "A setting that may change when a run goes on, as the error names it; may be repeated."
)
_VERBOSE = flags.DEFINE_enum("verbose", "1", ["0", "1", "2"], "0: silent, 1: progress bar, 2: lines.")


@guarded_output()
def main(argv: list[str]) -> None:
    with user_errors():
        data = optional_name(argv, _DATA.value, "data set")
        facts = None if _RECIPE.value is not None else facts_of_flags(data)
        planned = planner(data, facts)
        logdir = folder(facts)
        chosen = _RECIPE.value is None and _BATCH_SIZE.value is None and not _sets_batch()
        size = settled_batch(lambda batch: planned(batch)[0], logdir) if chosen else None
        recipe, choices = planned(size)
        for choice in choices:
            say(f"{choice.setting} = {choice.value}: {choice.reason}")
        print(recipe.text())

    runs: list[TrainingRun] = []

    def start(batch_size: int | None) -> TrainingRun:
        runs.clear()  # one that memory did not suffice for
        with user_errors():
            run = TrainingRun(
                recipe if batch_size is None else planned(batch_size)[0],
                logdir,
                export=_EXPORT.value,
                knn_every=_KNN_EVERY.value,
                doctor=_DOCTOR.value,
                checkpoint_steps=_CHECKPOINT_STEPS.value,
                overwrite=_OVERWRITE.value,
                allow=_ALLOW.value,
                verbose=int(_VERBOSE.value),
                most_batches=SMOKE_BATCHES if _SMOKE.value else None,
                signals=(signal.SIGTERM, signal.SIGINT),
            )
        runs.append(run)
        return run

    try:
        run, results = train_what_fits(start, recipe.sections["training"]["batch_size"], chosen)
    except (keras_ssl.callbacks.ResumeError, OSError) as error:
        sys.exit(f"{program()}: error: {error}")
    except FloatingPointError as error:
        path = runs[-1].checkpoint.latest_path
        sys.exit(f"{program()}: error: {error} (the last good checkpoint: {path})")
    except MemoryError as error:
        sys.exit(f"{program()}: error: {str(error).replace('`batch_size=', '`--batch_size=')}")
    with user_errors():  # the run is kept: `keras-ssl export` exports it later
        run.export(results)
    say(f"Done in {results['seconds']:.0f} s: tensorboard --logdir {logdir}")
    if _SMOKE.value:
        say("All works: the same command without --smoke trains.")
        return
    if facts is not None:
        say(f"Features: keras-ssl embed {shlex.quote(facts.name or '')} --model={logdir} --out=features.npz")
    if _EXPORT.value is None:
        say(f"The encoder: keras-ssl export --logdir={logdir} --output=saved_models/NAME")


def facts_of_flags(data: str | None) -> DataFacts:
    """What is known of the data.

    Raises:
        ValueError: if none are given.
    """
    if data is None:
        raise ValueError("`data` or `recipe` must be given. Received: neither")
    return facts_of(data, _BANDS.value, numbers(_VALUE_RANGE), _MAX_DAMAGED.value)


def folder(facts: DataFacts | None) -> str:
    """The folder of the run: of a recipe, where there are no facts, the one that is given.

    Raises:
        ValueError: if a recipe is given without one.
    """
    if facts is not None:
        return folder_of(facts, _LOGDIR.value, _SMOKE.value)
    if _LOGDIR.value is None:
        raise ValueError("`logdir` must name a folder where a recipe is given. Received: --logdir=None")
    return _LOGDIR.value


def planner(data: str | None, facts: DataFacts | None) -> Callable[[int | None], tuple[keras_ssl.Recipe, list[Choice]]]:
    """A function of a batch size, None for the chosen one, that gives the recipe and what was chosen for it.

    What the flags say comes last, --set behind all.
    """
    if facts is None:
        recipe = from_recipe(_RECIPE.value or "", data)
        return lambda batch_size: (recipe, [])

    def planned(batch_size: int | None) -> tuple[keras_ssl.Recipe, list[Choice]]:
        recipe, choices = choose(
            facts,
            method=_METHOD.value or "auto",
            encoder=_ENCODER.value or "auto",
            start=_START.value,
            image_size=_IMAGE_SIZE.value,
            batch_size=_BATCH_SIZE.value if batch_size is None else batch_size,
            epochs=1 if _SMOKE.value else _EPOCHS.value,
            seed=_SEED.value or 0,
        )
        return recipe.override(*_SET.value), choices

    return planned


def _sets_batch() -> bool:
    return any(setting.split("=")[0].strip() == "training.batch_size" for setting in _SET.value)


def _sizes(recipe: keras_ssl.Recipe, data: str | None) -> list[str]:
    """The settings of a recipe that hold the side of the images: of its views, and of data in files."""
    views = recipe.sections.get("views", {})
    of_files = data is not None and data_source(data).train is not None
    found = ["data.size"] if of_files else []
    return [*found, "views.size"] if "size" in views or not found else found


def from_recipe(name: str, data: str | None) -> keras_ssl.Recipe:
    """A recipe by name or file, with what the flags change."""
    for flag in (_METHOD, _ENCODER, _START, _BANDS, _VALUE_RANGE):
        if flag.value is not None:
            raise ValueError(
                f"A recipe has its own `{flag.name}`; --set changes it. Received: --{flag.name}={flag.value}"
            )
    settings = []
    if data is not None:
        settings.append(f"data.name={json.dumps(data, ensure_ascii=False)}")
    epochs = 1 if _SMOKE.value else _EPOCHS.value
    recipe = keras_ssl.Recipe.read(name)
    warmup = recipe.sections.get("schedule", {}).get("warmup_epochs")
    if epochs is not None and isinstance(warmup, int | float) and warmup >= epochs:
        shorter = chosen_warmup(epochs) if epochs > 1 else 0
        settings.append(f"schedule.warmup_epochs={shorter}")
        say(f"schedule.warmup_epochs = {shorter}: the recipe's {warmup} do not fit into --epochs={epochs}")
    for setting, value in (
        ("training.epochs", epochs),
        ("training.batch_size", _BATCH_SIZE.value),
        ("training.seed", _SEED.value),
        *((setting, _IMAGE_SIZE.value) for setting in _sizes(recipe, data)),
        ("data.max_damaged", _MAX_DAMAGED.value),
    ):
        if value is not None:
            settings.append(f"{setting}={value}")
    return recipe.override(*settings, *_SET.value)
