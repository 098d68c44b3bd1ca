"""Nearest neighbors and near-copies among a million features: `python benchmarks/search.py`.

Writes features of 1.28 million images in shards to a temporary folder (4 GB), and takes them away again. They are of
overlapping classes, their variance falls along 768 axes as that of trained features does, and one in a hundred is a
near-copy of another. Then, each in a process of its own, one after the other, on all cores that the process may use:

- `find_neighbors` searches 5,000 queries among all, read from the shards in blocks;
- faiss does, with its flat index of inner products of normalized features. `--faiss_python` names an interpreter that
  has it (`pip install faiss-cpu`); its row is left out where there is none;
- `find_duplicates` looks for near-copies among a million of them, cosine of .99 or more.

Times are from features in files to the answer, imports left out. Peaks are those of the whole process; pages of files
that are mapped and could be dropped count as well. `--queries=50000` is the whole of an ImageNet evaluation: ten times
as long. The table goes to benchmarks/results/search.md. About ten minutes on two idle cores.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _tables import machine, markdown, publish
from absl import app, flags

ROOT = Path(__file__).resolve().parent.parent
FEATURES = flags.DEFINE_integer("features", 1_280_000, "Features.", lower_bound=1000)
QUERIES = flags.DEFINE_integer("queries", 5000, "Queries; 50,000 is the validation part of ImageNet.", lower_bound=1)
DIMENSION = flags.DEFINE_integer("dimension", 768, "Of the features, float32.", lower_bound=4)
K = flags.DEFINE_integer("k", 20, "Neighbors.", lower_bound=1)
COPIES = flags.DEFINE_integer("copies_among", 1_000_000, "Features in which near-copies are looked for.", lower_bound=0)
FAISS = flags.DEFINE_string("faiss_python", sys.executable, "A Python that has faiss and NumPy.")
FOLDER = flags.DEFINE_string("folder", None, "Where the temporary folder is made. Default: where the system does.")
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/search.md", "The table.")
WORKER = flags.DEFINE_enum("worker", None, ["keras_ssl", "faiss", "copies"], "Internal: what this process measures.")
DATA = flags.DEFINE_string("data", None, "Internal: the folder with the features.")

LIMIT = 8.0  # GiB
SHARD = 40_000
CLASSES = 1000
THRESHOLD = 0.01
EVERY = 100  # one in so many features is a near-copy


def write_data(folder: Path) -> None:
    """Shards of features, as `keras_ssl.embed` writes them, and queries."""
    rng = np.random.default_rng(0)
    falls = np.arange(1, DIMENSION.value + 1, dtype=np.float32) ** -0.5
    centers = rng.standard_normal((CLASSES, DIMENSION.value), dtype=np.float32)

    def part(count: int) -> np.ndarray:
        noise = rng.standard_normal((count, DIMENSION.value), dtype=np.float32)
        return (noise + 0.7 * centers[rng.integers(0, CLASSES, count)]) * falls

    (folder / "features").mkdir()
    for start in range(0, FEATURES.value, SHARD):
        features = part(min(SHARD, FEATURES.value - start))
        copies = features[EVERY - 1 :: EVERY]
        copies[:] = features[::EVERY][: len(copies)] + 0.03 * falls * rng.standard_normal(
            copies.shape, dtype=np.float32
        )
        names = np.array([f"{number // 1000:04d}/{number:08d}.jpg" for number in range(start, start + len(features))])
        np.savez(folder / "features" / f"features-{start // SHARD:05d}.npz", features=features, names=names)
    np.save(folder / "queries.npy", part(QUERIES.value))


def shards(folder: Path) -> Iterator[np.ndarray]:
    """The features, normalized, as faiss wants them."""
    for path in sorted((folder / "features").glob("*.npz")):
        with np.load(path) as file:
            yield unit(file["features"])


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def work(side: str, folder: Path) -> dict[str, float]:
    """What one side needs, in this process."""
    if side == "faiss":
        import faiss
    else:
        from keras_ssl.data.selection.first_near import first_near
        from keras_ssl.evaluation import find_neighbors, open_features
    wall, cpu, found = time.perf_counter(), time.process_time(), {}
    if side == "copies":
        near = first_near(_First(open_features(folder / "features")), THRESHOLD)[0]
        copies = np.flatnonzero(near != np.arange(len(near)))
        planted = np.arange(len(near)) % EVERY == EVERY - 1
        found = {"copies": len(copies), "planted": int(planted.sum()), "of_them": int(planted[copies].sum())}
    else:
        queries = np.load(folder / "queries.npy")
        if side == "faiss":
            index = faiss.IndexFlatIP(DIMENSION.value)
            for part in shards(folder):
                index.add(part)
            near, nearest = index.search(unit(queries), K.value)
        else:
            near, nearest = find_neighbors(queries, open_features(folder / "features"), K.value)
        np.savez(folder / f"{side}.npz", near=near, nearest=nearest)
    return {
        **found,
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


class _First:
    """The first of the features, none of which is read before it is asked for."""

    def __init__(self, features: np.ndarray) -> None:
        self._features, self._count = features, min(COPIES.value, len(features))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        return self._features[slice(*rows.indices(self._count)) if isinstance(rows, slice) else rows]


def measured(side: str, python: str, folder: Path) -> dict[str, float]:
    """What a process of its own says."""
    given = [f"--{flag.name}={flag.value}" for flag in (FEATURES, QUERIES, DIMENSION, K, COPIES)]
    command = [python, __file__, *given, f"--worker={side}", f"--data={folder}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"A run failed. Received: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def has_faiss(python: str) -> bool:
    return subprocess.run([python, "-c", "import faiss, numpy, absl"], capture_output=True, check=False).returncode == 0


def row(name: str, found: dict[str, float], answer: str) -> list[str]:
    within = "yes" if found["peak"] <= LIMIT else "NO"
    return [name, f"{found['seconds']:.0f}", f"{found['cpu']:.0f}", f"{found['peak']:.2f}", within, answer]


def main(_: list[str]) -> None:
    if WORKER.value:
        print(json.dumps(work(WORKER.value, Path(DATA.value))))
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # or the files would stay
    rows = []
    with tempfile.TemporaryDirectory(dir=FOLDER.value, prefix="keras_ssl-search-") as name:
        folder = Path(name)
        write_data(folder)
        size = f"{QUERIES.value:,} queries among {FEATURES.value:,} x {DIMENSION.value}, k = {K.value}"
        ours = measured("keras_ssl", sys.executable, folder)
        if has_faiss(FAISS.value):
            theirs = measured("faiss", FAISS.value, folder)
            answers = [np.load(folder / f"{side}.npz") for side in ("keras_ssl", "faiss")]
            same = float(
                np.mean([np.isin(*pair).mean() for pair in zip(*(a["nearest"] for a in answers), strict=True)])
            )
            apart = float(np.abs(answers[0]["near"] - answers[1]["near"]).max())
            times = theirs["seconds"] / ours["seconds"]
            said = f"{times:.2f} times faiss; {same:.3%} the same neighbors, similarities within {apart:.0e}"
            rows = [row(f"`find_neighbors`: {size}", ours, said), row(f"faiss, flat index: {size}", theirs, "")]
        else:
            rows = [row(f"`find_neighbors`: {size}", ours, "faiss is not installed")]
        if COPIES.value:
            copies = measured("copies", sys.executable, folder)
            planted = f"{copies['of_them']:,.0f} of {copies['planted']:,.0f} planted ones"
            said = f"{copies['copies']:,.0f} near-copies, {planted}"
            count = min(COPIES.value, FEATURES.value)
            rows.append(row(f"`find_duplicates`: {count:,} x {DIMENSION.value}", copies, said))
    header = ["what", "s", "CPU seconds", "peak GiB", f"within {LIMIT:.0f} GiB", "answer"]
    given = "".join(
        f" --{flag.name}={flag.value}" for flag in (FEATURES, QUERIES, DIMENSION, K, COPIES) if flag.present
    )
    publish(
        OUTPUT.value,
        f"{machine()}, NumPy {np.__version__}.\n\n{markdown(header, rows)}\n"
        f"Written by `python benchmarks/search.py{given}`.\n",
    )


if __name__ == "__main__":
    app.run(main)
