"""Exact weighted kNN of many features, beside scikit-learn's brute force: `python benchmarks/knn.py`.

Both classify the same queries among the same features on all cores that the process may use, each in a process of its
own, one after the other. scikit-learn gets its fastest way to the same neighbors: Euclidean distance of normalized
features, for which it has a compiled reduction (its cosine metric has none). The row goes to
benchmarks/results/knn.md. About five minutes on two idle cores.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _tables import markdown, publish
from absl import app, flags

ROOT = Path(__file__).resolve().parent.parent
FEATURES = flags.DEFINE_integer("features", 500_000, "Training features.", lower_bound=100)
QUERIES = flags.DEFINE_integer("queries", 10_000, "Features to classify.", lower_bound=1)
DIMENSION = flags.DEFINE_integer("dimension", 512, "Of the features, float32.", lower_bound=1)
K = flags.DEFINE_integer("k", 20, "Neighbors.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/knn.md", "The table.")
WORKER = flags.DEFINE_enum("worker", None, ["keras_ssl", "scikit-learn"], "Internal: what to time in this process.")
ANSWERS = flags.DEFINE_string("answers", None, "Internal: where to leave the answers.")

TEMPERATURE = 0.07
CLASSES = 1000
LIMIT = 8.0  # GiB
CHECKED = 200  # queries whose neighbors are compared one by one

Case = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def data() -> Case:
    """Features of overlapping classes, their labels, and the same of the queries."""
    rng = np.random.default_rng(0)
    centers = 0.35 * rng.standard_normal((CLASSES, DIMENSION.value), dtype=np.float32)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, CLASSES, count)
        features = rng.standard_normal((count, DIMENSION.value), dtype=np.float32)
        for start in range(0, count, 10_000):
            features[start : start + 10_000] += centers[labels[start : start + 10_000]]
        return features, labels

    return *part(FEATURES.value), *part(QUERIES.value)


def ours(keys: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, Any]:
    from keras_ssl.evaluation import find_neighbors, knn_predict

    predictions = knn_predict(keys, labels, queries, K.value, TEMPERATURE)
    return predictions, lambda some: find_neighbors(some, keys, K.value)[1]


def peer(keys: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, Any]:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import normalize

    # Of unit vectors the similarity is 1 - d**2 / 2.
    classifier = KNeighborsClassifier(
        K.value, algorithm="brute", weights=lambda distance: np.exp(-(distance**2) / 2 / TEMPERATURE)
    )
    classifier.fit(normalize(keys), labels)
    predictions = classifier.predict(normalize(queries))
    return predictions, lambda some: classifier.kneighbors(normalize(some), return_distance=False)


def work(side: str) -> None:
    """Times one side and says what it took; its answers go to a file, for the comparison."""
    keys, labels, queries, truth = data()
    run = {"keras_ssl": ours, "scikit-learn": peer}[side]
    run(keys[:1000], labels[:1000], queries[:10])  # imports, and threads that start
    wall, cpu = time.perf_counter(), time.process_time()
    predictions, neighbors = run(keys, labels, queries)
    said = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "accuracy": float(np.mean(predictions == truth)),
    }
    np.savez(ANSWERS.value, predictions=predictions, neighbors=np.sort(neighbors(queries[:CHECKED]), axis=1))
    print(json.dumps(said))


def measured(side: str, answers: Path) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """What a process of its own says of one side."""
    given = [f"--{flag.name}={flag.value}" for flag in (FEATURES, QUERIES, DIMENSION, K)]
    command = [sys.executable, __file__, *given, f"--worker={side}", f"--answers={answers}"]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"A run failed. Received: {done.stderr[-3000:]}")
    with np.load(answers) as file:
        return json.loads(done.stdout.splitlines()[-1]), dict(file)


def main(_: list[str]) -> None:
    if WORKER.value is not None:
        work(WORKER.value)
        return
    import sklearn

    with tempfile.TemporaryDirectory() as folder:
        (mine, my_answers), (theirs, their_answers) = (
            measured(side, Path(folder) / f"{side}.npz") for side in ("keras_ssl", "scikit-learn")
        )
    neighbors = float(np.mean(my_answers["neighbors"] == their_answers["neighbors"]))
    predictions = float(np.mean(my_answers["predictions"] == their_answers["predictions"]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    row = {
        "features": f"{FEATURES.value:,} x {DIMENSION.value}",
        "queries": f"{QUERIES.value:,}",
        "k": K.value,
        "keras_ssl, s": f"{mine['seconds']:.1f}",
        "scikit-learn, s": f"{theirs['seconds']:.1f}",
        "times as fast": f"{theirs['seconds'] / mine['seconds']:.2f}",
        "CPU seconds, both": f"{mine['cpu_seconds']:.0f}, {theirs['cpu_seconds']:.0f}",
        "peak GiB, both": f"{mine['peak_gib']:.2f}, {theirs['peak_gib']:.2f}",
        f"within {LIMIT:.0f} GiB": "yes" if mine["peak_gib"] <= LIMIT else "NO",
        "accuracy, both": f"{mine['accuracy']:.4f}, {theirs['accuracy']:.4f}",
        "same predictions": f"{predictions:.2%}",
        f"same neighbors ({CHECKED} queries)": f"{neighbors:.2%}",
    }
    lines = [
        f"Exact kNN on {cores} cores of {platform.machine()}, scikit-learn {sklearn.__version__}, "
        f"NumPy {np.__version__}."
        " The peak is that of the whole process, features and imports included.",
        "",
        markdown(row, [list(map(str, row.values()))]),
        "Written by `python benchmarks/knn.py`.",
    ]
    publish(OUTPUT.value, "\n".join(lines) + "\n")


if __name__ == "__main__":
    app.run(main)
