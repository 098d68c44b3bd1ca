"""SimCLR's views of photographs in files, beside lightly's transform: `python benchmarks/photos.py`.

Writes JPEG files to a temporary folder, and takes them away again: random parts of the two photographs that come with
scikit-learn, mirrored or not, resized, some of them on their side, quality 90. Ours reads crops at full resolution
(`from_folder(crops=views)`) and makes the rest of the views by compiled programs, in one process; lightly opens each
file by Pillow and transforms it, on one core in one process, on more with a worker for each. Both are bound to the
cores that the row names, and take turns. The ratio of CPU times holds on a busy machine, too. The table goes to
benchmarks/results/photos.md.
"""

import itertools
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from _tables import last_words, machine, markdown, publish
from absl import app, flags
from environments import Unavailable, own_python, python_of
from PIL import Image, ImageOps
from side_by_side import Job, compare
from sklearn.datasets import load_sample_images

FILES = flags.DEFINE_integer("files", 3000, "Files of about 500 by 375 pixels; 0 leaves them out.", lower_bound=0)
LARGE = flags.DEFINE_integer("large_files", 200, "Files of about 2000 by 1500 pixels; 0 leaves them out.")
SIZE = flags.DEFINE_integer("size", 224, "Pixels of the views.", lower_bound=8)
BATCH = flags.DEFINE_integer("batch_size", 64, "Images of a batch.", lower_bound=2)
BATCHES = flags.DEFINE_integer("batches", 3, "Batches of a round.", lower_bound=1)
CORES = flags.DEFINE_multi_integer("cores", [1], "Cores that both are bound to; may be given several times.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each kind.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/photos.md", "The table.")

SETTINGS = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")}
# Whether crops are cut from the file, and how they are resized (SimCLR: bicubic; lightly: bilinear).
CASES = ((True, "bicubic"), (True, "bilinear"), (False, "bicubic"))
CPU = ("ours, CPU ms/view", "lightly, CPU ms/view", "ratio of CPU times")


def write_photos(folder: Path, count: int, width: int, height: int) -> int:
    """Writes so many files; returns their mean size in bytes."""
    folder.mkdir(parents=True)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    draws = np.random.default_rng(0)
    for number in range(count):
        photo = photos[number % len(photos)]
        share, left, top, stretch = draws.uniform((0.5, 0.0, 0.0, 0.9), (1.0, 1.0, 1.0, 1.1))
        wide, high = int(share * photo.width), int(share * photo.height)
        x, y = int(left * (photo.width - wide)), int(top * (photo.height - high))
        part = photo.crop((x, y, x + wide, y + high))
        part = part.resize((int(width * stretch), int(height * stretch)), Image.Resampling.BICUBIC)
        if draws.random() < 0.5:
            part = ImageOps.mirror(part)
        if draws.random() < 0.3:
            part = part.transpose(Image.Transpose.ROTATE_90)
        part.save(folder / f"{number:05d}.jpg", quality=90)
    return sum(path.stat().st_size for path in folder.iterdir()) // count


def main(_: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # or the files would stay
    rows, sizes = [], []
    with tempfile.TemporaryDirectory(prefix="keras_ssl-photos-") as name:
        for count, width, height in ((FILES.value, 500, 375), (LARGE.value, 2000, 1500)):
            if not count:
                continue
            folder = Path(name) / f"{width}"
            sizes.append(
                f"{count:,} of about {width} x {height} ({write_photos(folder, count, width, height):,} bytes)"
            )
            options = {"size": SIZE.value, "batch_size": BATCH.value, "batches": BATCHES.value}
            for used, (full, interpolation) in itertools.product(CORES.value, CASES):
                how = f"{interpolation} crops {'of the file' if full else 'of center squares, as without `crops`'}"
                case = f"{width} x {height}, {how}, {used} core{'s' * (used > 1)}"
                peer = {"folder": str(folder), "cores": used, **options}
                rows.append(measured(case, {**peer, "full": full, "interpolation": interpolation}, peer))
    given = (flag for flag in (FILES, LARGE, SIZE, BATCH, BATCHES, ROUNDS, CORES) if flag.present)
    how = "".join(f" --{flag.name}={flag.value}" for flag in given)
    header = ["photos and crops", "ours", "lightly", "ratio", *CPU]
    lines = [
        f"SimCLR's views at {SIZE.value} pixels from JPEG files: {'; '.join(sizes)}. {machine()}. Medians of "
        f"{ROUNDS.value} rounds of {BATCHES.value} batches of {BATCH.value} images, in "
        "turns; the files were read before.",
        "",
        markdown(header, rows),
        f"Written by `python benchmarks/photos.py{how}`.",
    ]
    publish(OUTPUT.value, "\n".join(lines) + "\n")


def measured(case: str, ours: dict[str, object], peer: dict[str, object]) -> list[str]:
    """A row of the table."""
    work: list[list[float]] = []
    try:
        result = compare(
            Job(own_python(), "keras_ssl_photos:run", ours, SETTINGS),
            Job(python_of("lightly"), "lightly_photos:run", peer, SETTINGS),
            rounds=ROUNDS.value,
            after_round=lambda answers: work.append([answer["cpu"] for answer in answers]),
        )
    except (Unavailable, RuntimeError) as error:
        return [case, last_words(error), *[""] * 5]
    rates = [f"{rate:,.0f} views/s" for rate in (result.ours, result.peer)]
    if peer["cores"] != 1:  # the data loader's workers are processes of their own
        return [case, *rates, f"{result.ratio:.2f}", "", "", ""]
    views = 2 * BATCH.value * BATCHES.value
    each = [1e3 * statistics.median(cpu) / views for cpu in zip(*work, strict=True)]
    ratio = statistics.median(theirs / own for own, theirs in work)
    return [case, *rates, f"{result.ratio:.2f}", *(f"{cpu:.2f}" for cpu in each), f"{ratio:.2f}"]


if __name__ == "__main__":
    app.run(main)
