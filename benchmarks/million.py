"""A million image files, and a million records in 1,000 shards: `python benchmarks/million.py`.

Makes a tree of folders in folders with a million JPEG files of 16 pixels, most of them hard links, and shards with a
million records, in a temporary folder, and takes them away again. A process of its own
opens each and measures: the time to open (files listed, verified, numbered; the frames of records walked through), the
most memory that opening took beyond what the process had, and what it keeps, the time for the order of an epoch, the
time to the first batch, and the time to the first batch of a run that goes on at a random step of another epoch. Files
and shards were written just before, so they are in the system's cache: a disk would add its own time. The table goes to
benchmarks/results/million.md. About ten minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _tables import machine, markdown, publish
from absl import app, flags

FILES = flags.DEFINE_integer("files", 1_000_000, "Files, and records.", lower_bound=50_000)
SHARDS = flags.DEFINE_integer("shards", 1000, "TFRecord shards.", lower_bound=1)
BATCH = flags.DEFINE_integer("batch_size", 256, "Images of a batch.", lower_bound=2)
FOLDER = flags.DEFINE_string(
    "folder", None, "Where the temporary folder is made. Default: where the system makes them."
)
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/million.md", "The table.")
OPENED = flags.DEFINE_string("opened", None, "What the process that is measured opens; for its own use.")

IMAGES = 64  # that differ
IN_A_FOLDER, IN_A_CLASS = 500, 20_000
LINKS = 10_000  # of one file; file systems allow some ten thousand
AIMS = {"files": ("at most 20 s", "at most 500 MB"), "shards": ("at most 2 s", "")}


def encoded_images() -> list[bytes]:
    import tensorflow as tf

    from keras_ssl.data import colored_digits

    return [tf.io.encode_jpeg(image).numpy() for image in colored_digits("train", count=IMAGES)[0]]


def write_files(root: Path, images: list[bytes]) -> None:
    """A folder per class, folders in it, files in these; all by hard links to a few files."""
    first: dict[int, Path] = {}
    for number in range(FILES.value):
        inside = root / f"class_{number // IN_A_CLASS:03d}" / f"{number // IN_A_FOLDER:05d}"
        if number % IN_A_FOLDER == 0:
            inside.mkdir(parents=True)
        path = inside / f"photo_{number:07d}.jpg"
        kind = number % len(images) + len(images) * (number // (len(images) * LINKS))
        if kind in first:
            os.link(first[kind], path)
        else:
            path.write_bytes(images[number % len(images)])
            first[kind] = path


def write_shards(root: Path, images: list[bytes]) -> None:
    """As `write_tfrecords` does, without the folder of files."""
    import tensorflow as tf

    from keras_ssl.data.record_format import SUMMARY, shard_name

    def integer(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    root.mkdir()
    counts = {}
    for shard, numbers in enumerate(np.array_split(np.arange(FILES.value), SHARDS.value)):
        name = shard_name(shard, SHARDS.value)
        counts[name] = len(numbers)
        with tf.io.TFRecordWriter(str(root / name)) as writer:
            for number in numbers.tolist():
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[images[number % len(images)]]))
                fields = {"image": image, "index": integer(number), "label": integer(number // IN_A_CLASS)}
                writer.write(tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString())
    classes = [f"class_{number:03d}" for number in range(-(-FILES.value // IN_A_CLASS))]
    summary = {"count": FILES.value, "class_names": classes, "shards": counts}
    (root / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def memory(name: str) -> float:
    """Memory of this process in MB: "VmRSS" is what it has, "VmHWM" the most that it had."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def measure(path: str) -> dict[str, float]:
    """What opening and reading costs a process that has nothing else."""
    from keras_ssl.data import from_folder, from_tfrecords
    from keras_ssl.data.image_source import tensorflow_as_reader

    tensorflow_as_reader().constant(0)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is counted anew
    start, begun = time.perf_counter(), time.process_time()

    def seconds() -> float:
        nonlocal start
        now = time.perf_counter()
        passed, start = now - start, now
        return passed

    opener = from_folder if Path(path).name == "files" else from_tfrecords
    data = opener(path, size=16, batch_size=BATCH.value, seed=1)
    found = {"open": seconds(), "cpu": time.process_time() - begun}
    found |= {"opened_mb": memory("VmHWM") - before, "kept_mb": memory("VmRSS") - before}
    assert data.count == FILES.value, data.count  # noqa: S101
    order = data.order()
    found["order"] = seconds()
    assert np.array_equal(np.sort(order), np.arange(data.count))  # noqa: S101
    seconds()
    data[0]
    found["batch"] = seconds()
    data.epoch = 7
    data.first_batch = int(np.random.default_rng(0).integers(1, data.batches_in_epoch))
    seconds()
    batch = data[0]
    found["resume"] = seconds()
    rows = data.order()[data.first_batch * BATCH.value :][: BATCH.value]
    assert np.array_equal(batch["index"], rows)  # noqa: S101
    assert np.array_equal(batch["y"], rows // IN_A_CLASS)  # noqa: S101
    return found


def main(_: list[str]) -> None:
    if OPENED.value:
        print(json.dumps(measure(OPENED.value)))
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # or the files would stay
    rows = []
    with tempfile.TemporaryDirectory(dir=FOLDER.value, prefix="keras_ssl-million-") as name:
        images = encoded_images()
        write_files(Path(name) / "files", images)
        write_shards(Path(name) / "shards", images)
        for kind, title in (("files", "files"), ("shards", f"records in {SHARDS.value:,} shards")):
            command = [sys.executable, __file__, f"--opened={Path(name) / kind}"]
            command += [f"--{flag.name}={flag.value}" for flag in (FILES, BATCH)]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(said.splitlines()[-1])
            times = (f"{found[key]:.2f}" for key in ("open", "cpu", "order", "batch", "resume"))
            sizes = (f"{found[key]:,.0f}" for key in ("opened_mb", "kept_mb"))
            rows.append([f"{FILES.value:,} {title}", *times, *sizes, ", ".join(filter(None, AIMS[kind]))])
    given = (flag for flag in (FILES, SHARDS, BATCH, FOLDER) if flag.present)
    how = "".join(f" --{flag.name}={flag.value}" for flag in given)
    header = [
        "images",
        "open, s",
        "CPU time of it, s",
        "order of an epoch, s",
        "first batch, s",
        "resume at a random step, s",
    ]
    header += ["peak of opening, MB", "kept of it, MB", "aim of opening"]
    publish(
        OUTPUT.value,
        f"Images of 16 pixels in batches of {BATCH.value}. {machine()}. Files and shards were written before, so the "
        f"disk's speed is left out.\n\n{markdown(header, rows)}\nWritten by `python benchmarks/million.py{how}`.\n",
    )


if __name__ == "__main__":
    app.run(main)
