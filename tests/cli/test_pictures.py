"""The commands that find, search and choose pictures, on small generated folders."""

import csv

import numpy as np
import pytest
from PIL import Image

import keras_ssl
from tests.cli.test_run import keras_ssl_command
from tests.report.pages import parsed

pytestmark = [pytest.mark.once, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty digits in files, three of which are there twice."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photos").mkdir()
    images, _ = keras_ssl.data.colored_digits("train", count=60)
    for number, image in enumerate([*images, *images[:3]]):
        Image.fromarray(image).save(folder / "photos" / f"{number:03d}.png")
    return folder


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def page(path):
    return parsed(path.read_text(encoding="utf-8"))


def test_find_duplicates(folder):
    done = keras_ssl_command(
        "find-duplicates", "photos", "--threshold=0", "--out=copies.csv", "--report=copies.html", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    rows = table(folder / "copies.csv")
    groups = {row["group"] for row in rows}
    found = {tuple(row["name"] for row in rows if row["group"] == group) for group in groups}
    assert {(f"00{k}.png", f"06{k}.png") for k in range(3)} <= found
    assert f"{len(rows) - len(groups)} of 63 images are near-copies of {len(groups)} others." in done.stdout
    assert "| group | kept | distance | name |" in done.stdout
    shown = page(folder / "copies.html")
    assert len(list(shown.all("img"))) == len(rows) and len(list(shown.all("h3"))) == len(groups)
    by_model = keras_ssl_command(
        "find-duplicates", "photos", "--model=barlow_digits", "--threshold=1e-6", "--out=model.csv", cwd=folder
    )
    assert by_model.returncode == 0, by_model.stderr
    names = [row["name"] for row in table(folder / "model.csv")]
    assert names == ["000.png", "060.png", "001.png", "061.png", "002.png", "062.png"]
    wrong = keras_ssl_command("find-duplicates", "photos", "--out=none/copies.csv", "--threshold=-1", cwd=folder)
    assert wrong.returncode == 1 and "threshold" in wrong.stderr


def test_search(folder):
    done = keras_ssl_command("embed", "photos", "--model=barlow_digits", "--out=features.npz", cwd=folder)
    assert done.returncode == 0, done.stderr
    line = ["search", "photos/005.png", "--in=features.npz", "--model=barlow_digits", "--count=4", "--out=found.csv"]
    done = keras_ssl_command(*line, "--images=photos", "--report=found.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = table(folder / "found.csv")
    assert rows[0]["name"] == "005.png" and float(rows[0]["similarity"]) > 0.99 and len(rows) == 4
    assert all(row["name"] in done.stdout for row in rows)
    assert len(list(page(folder / "found.html").all("img"))) == 4
    wrong = keras_ssl_command("search", "none.png", "--in=features.npz", "--model=barlow_digits", cwd=folder)
    assert wrong.returncode == 1 and "--query must be an image file" in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_folder_of_shards(folder):
    line = ["embed", "photos", "--model=barlow_digits", "--out=shards", "--shard-size=20"]
    for place in ("1/2", "0/2"):
        done = keras_ssl_command(*line, f"--shard={place}", cwd=folder)
        assert done.returncode == 0, done.stderr
    assert len(list((folder / "shards").glob("*.npz"))) == 4
    done = keras_ssl_command(
        "search", "photos/005.png", "--in=shards", "--model=barlow_digits", "--count=4", cwd=folder
    )
    assert done.returncode == 0 and "005.png" in done.stdout, done.stderr
    line = ["find-duplicates", "--in=shards", "--threshold=1e-6", "--out=found.csv"]
    done = keras_ssl_command(*line, "--images=photos", "--report=found.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "3 of 63 images are near-copies of 3 others." in done.stdout
    names = [row["name"] for row in table(folder / "found.csv")]
    assert names == ["000.png", "060.png", "001.png", "061.png", "002.png", "062.png"]
    assert len(list(page(folder / "found.html").all("img"))) == 6
    for wrong, message in (
        (["find-duplicates", "--in=shards", "--model=barlow_digits"], "--features replaces data and model"),
        (["embed", "photos", "--model=barlow_digits", "--out=shards", "--shard=3"], "--shard must be i/n"),
    ):
        done = keras_ssl_command(*wrong, cwd=folder)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_choose_labels_and_go_on(folder):
    line = ["choose-labels", "photos", "--model=barlow_digits", "--count=8"]
    done = keras_ssl_command(*line, "--out=first.csv", "--report=first.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    first = table(folder / "first.csv")
    assert [row["rank"] for row in first] == [str(rank) for rank in range(1, 9)]
    assert len(list(page(folder / "first.html").all("img"))) == 8
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, first[0])
        writer.writeheader()
        writer.writerows({**row, "label": "ab"[number % 2]} for number, row in enumerate(first))
    done = keras_ssl_command(*line, "--labels=labels.csv", "--by=uncertainty", "--out=next.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    after = table(folder / "next.csv")
    assert not {row["name"] for row in first} & {row["name"] for row in after}
    assert {row["guess"] for row in after} <= {"a", "b"}
    unsure = [float(row["uncertainty"]) for row in after]
    assert unsure == sorted(unsure, reverse=True) and np.isfinite(unsure).all()
    wrong = keras_ssl_command(*line, "--by=uncertainty", cwd=folder)
    assert wrong.returncode == 1 and "--labels must be of two classes or more" in wrong.stderr
