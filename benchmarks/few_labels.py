"""What few labels are worth: `python -m benchmarks.few_labels` writes few_labels.json and .md into results/.

The digits of scikit-learn (8x8 pixels; 1,300 for training, 497 for the test, split by the seed), of which 40, 100 or
250 have a label, the same number of each class. Every row is the accuracy on the test images of

- labels alone: a classifier trained on the labeled images, with the same views, network and number of steps;
- probe: a linear classifier on the features of SimCLR, which has seen all training images and no label;
- each semi-supervised method that is registered, from random weights, and from the encoder of that SimCLR.

A run is a row of the JSON file; what is there already is not run again, so that the command may be stopped and begun
anew. It goes seed by seed: with one seed the table has all rows. Any backend.
"""

import inspect
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks._tables import machine, markdown
from benchmarks.proofs._few_labels import network, small_digits, two_weak, weak_and_strong

ROOT = Path(__file__).resolve().parent
LABELS = flags.DEFINE_list("labels", ["40", "100", "250"], "Numbers of labels, multiples of 10.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each row.", lower_bound=1)
ONLY = flags.DEFINE_list("only", None, "Names of the rows to run, such as FixMatch or probe; all where not given.")
STARTS = flags.DEFINE_list("starts", ["scratch", "self-supervised"], "Weights that semi-supervised methods begin with.")
MINUTES = flags.DEFINE_float("minutes", float("inf"), "No run begins after so many minutes.", lower_bound=0.0)
EPOCHS = flags.DEFINE_integer("epochs", 30, "Passes over the training images.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", str(ROOT / "results" / "few_labels.json"), "Results, read and written.")

ALONE, PROBE = "labels alone", "probe"
SCRATCH, PRETRAINED = "scratch", "self-supervised"
# Where a run of some hundred steps on 1,300 images wants other numbers than the paper's.
OPTIONS: dict[str, dict[str, Any]] = {
    "FreeMatch": {"momentum": 0.99},
    "FutureSelfTraining": {"momentum": 0.98},
    "MaskedImageConsistency": {"momentum": 0.98, "patch_size": 2},
    "MeanTeacher": {"momentum": 0.98, "unlabeled_weight": 10.0, "warmup_steps": 200},
    "ShrinkMatch": {"momentum": 0.99},
    "SimMatchV2": {
        "projector": (64, 32),
        "momentum": 0.98,
        "unlabeled_weight": 1.0,
        "edge_weight": 0.5,
        "node_edge_weight": 0.5,
    },
    "SoftMatch": {"momentum": 0.99},
}
WEAK = {"MeanTeacher"}  # whose second view is no stronger than the first


def semi_supervised() -> dict[str, type]:
    """The registered semi-supervised methods by name."""
    from keras_ssl.objectives.labels.semi_supervised import SemiSupervised
    from keras_ssl.registry import entries

    kinds = {entry.name: entry.target for entry in entries("objective")}
    return {name: kind for name, kind in sorted(kinds.items()) if issubclass(kind, SemiSupervised)}


def options_of(name: str, kind: type, labels: int, samples: int) -> dict[str, Any]:
    """A method's arguments: the sizes that it asks for, and `OPTIONS`."""
    asked = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    sizes = {"labeled_size": labels, "dataset_size": labels + samples}
    return {**{key: size for key, size in sizes.items() if key in asked}, **OPTIONS.get(name, {})}


def fitted(model: Any, data: Any, epochs: int) -> Any:
    """The model, trained by Adam with a warm-up and a cosine."""
    import keras

    import keras_ssl

    steps = epochs * len(data)
    model.compile(keras.optimizers.Adam(keras_ssl.schedules.WarmupCosine(3e-3, steps, steps // 20)), jit_compile=False)
    model.fit(data, epochs=epochs, verbose=0)
    return model


def pretrained(seed: int, epochs: int) -> list[np.ndarray]:
    """The weights of an encoder after SimCLR on all training images."""
    import keras

    import keras_ssl

    _, _, more, _, _ = small_digits(seed)
    keras.utils.set_random_seed(seed)
    views = keras_ssl.views.MultiView([weak_and_strong().views[1]] * 2)
    model = keras_ssl.SimCLR(network(), projector=(64, 32), temperature=0.2, views=views, seed=seed)
    fitted(model, keras_ssl.data.from_arrays(more, batch_size=64, seed=seed), epochs)
    return [np.array(weight) for weight in model.encoder.get_weights()]


def accuracy(
    name: str, start: str, labels: int, seed: int, epochs: int, weights: Callable[[], list[np.ndarray]]
) -> float:
    """Of one run on the test images."""
    import keras

    import keras_ssl

    x, y, more, x_test, y_test = small_digits(seed, labels)
    keras.backend.clear_session()  # or the programs of a hundred runs stay in memory
    keras.utils.set_random_seed(seed)
    encoder = network()
    if start == PRETRAINED:
        encoder.set_weights(weights())
    if name == PROBE:
        # The preprocessing is that of any objective around the encoder.
        model = keras_ssl.SimCLR(encoder, projector=(8,), views=weak_and_strong())
        features = [keras_ssl.evaluation.extract_features(model, images) for images in (x, x_test)]
        return float(keras_ssl.evaluation.linear_probe(features[0], y, features[1], y_test))
    kind = keras_ssl.PseudoLabel if name == ALONE else semi_supervised()[name]
    options = {"unlabeled_weight": 0.0} if name == ALONE else options_of(name, kind, labels, len(more))
    views = two_weak() if name in WEAK else weak_and_strong()
    model = kind(encoder, classes=10, views=views, seed=seed, **options)
    streams = {"labeled": {"x": x, "y": y}, "unlabeled": {"x": more}}
    fitted(model, keras_ssl.data.from_streams(streams, (1, 7), batch_size=64, seed=seed), epochs)
    return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())


def plan(labels: list[int], seeds: int, starts: list[str]) -> Iterator[tuple[int, int, str, str]]:
    """Seed, number of labels, row and start of every run, in the order in which they are made."""
    for seed in range(seeds):
        for count in labels:
            for start in starts:
                yield seed, count, PROBE if start == PRETRAINED else ALONE, start
                for name in semi_supervised():
                    yield seed, count, name, start


def table(results: dict[str, Any]) -> str:
    """The document: for each number of labels a column, the mean over the seeds that have been run."""
    runs = results["runs"]
    counts = sorted({run["labels"] for run in runs})
    rows: dict[tuple[str, str], dict[int, list[float]]] = {}
    for run in runs:
        rows.setdefault((run["row"], run["start"]), {}).setdefault(run["labels"], []).append(run["accuracy"])
    order = sorted(rows, key=lambda key: (key[0] not in (ALONE, PROBE), key[0], key[1]))

    def cell(values: list[float]) -> str:
        if not values:
            return "not run"
        spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        return f"{100 * np.mean(values):.1f}{spread} ({len(values)})"

    def minutes(name: str, start: str) -> str:
        taken = [
            run["cpu_minutes"] for run in runs if (run["row"], run["start"]) == (name, start) and "cpu_minutes" in run
        ]
        return f"{np.median(taken):.2f}" if taken else "not measured"

    lines = [
        [name, start, *(cell(rows[name, start].get(count, [])) for count in counts), minutes(name, start)]
        for name, start in order
    ]
    header = ["method", "starts from", *(f"{count} labels" for count in counts), "CPU minutes"]
    return (
        "# Few labels\n\n"
        f"Accuracy in % on 497 test images of scikit-learn's digits, {results['epochs']} passes over 1,300 training "
        "images; mean, standard deviation over seeds where there are several, and in parentheses their number. The "
        "minutes are of a processor, for one run, without the training of the encoder that it starts from. "
        f"{results['machine']}. Made by `python -m benchmarks.few_labels`; a row that was not run says so.\n\n"
        + markdown(header, lines)
    )


def main(_: list[str]) -> None:
    labels = sorted(int(count) for count in LABELS.value)
    if any(count < 10 or count % 10 or count > 1000 for count in labels):
        raise ValueError(f"--labels must be multiples of 10, at most 1000. Received: --labels={LABELS.value}")
    if set(STARTS.value) - {SCRATCH, PRETRAINED}:
        raise ValueError(f"--starts must be among {SCRATCH}, {PRETRAINED}. Received: --starts={STARTS.value}")
    path = Path(OUTPUT.value)
    fresh = {"epochs": EPOCHS.value, "machine": machine(), "runs": []}
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else fresh
    if results["epochs"] != EPOCHS.value:
        raise ValueError(
            f"--epochs must be that of the results that are there already, {results['epochs']}, or --output another "
            f"file. Received: --epochs={EPOCHS.value}"
        )
    begin = time.monotonic()
    known: dict[int, list[np.ndarray]] = {}
    done = {(run["seed"], run["labels"], run["row"], run["start"]) for run in results["runs"]}
    for seed, count, name, start in plan(labels, SEEDS.value, STARTS.value):
        if (seed, count, name, start) in done or (ONLY.value and name not in ONLY.value):
            continue
        if time.monotonic() - begin > 60 * MINUTES.value:
            print("The time is over; the same command goes on.")
            break

        def weights(seed: int = seed) -> list[np.ndarray]:
            if seed not in known:
                known[seed] = pretrained(seed, EPOCHS.value)
            return known[seed]

        if start == PRETRAINED:
            weights()  # shared by all rows of the seed: not in the time of the first
        busy = time.process_time()
        found = accuracy(name, start, count, seed, EPOCHS.value, weights)
        minutes = round((time.process_time() - busy) / 60, 2)
        run = {"row": name, "start": start, "labels": count, "seed": seed}
        results["runs"].append({**run, "accuracy": round(found, 4), "cpu_minutes": minutes})
        print(f"{name} from {start}, {count} labels, seed {seed}: {found:.4f}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
