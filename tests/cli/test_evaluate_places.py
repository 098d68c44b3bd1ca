"""`keras-ssl evaluate` on the features of places: generated scenes, and folders of images and masks."""

import json

import numpy as np
import pytest
from PIL import Image

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_model
from tests.cli.test_run import keras_ssl_command

pytestmark = [pytest.mark.once, pytest.mark.slow]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    keras_ssl.export(tiny_model("MAE"), folder / "entry", description="Tiny.", license="MIT")
    images, masks = keras_ssl.data.digit_scenes("test", size=24, count=20, masks="classes")
    for name, arrays in (("images", images), ("masks", masks.astype("uint8"))):
        (folder / name).mkdir()
        for number, array in enumerate(arrays):
            Image.fromarray(array).save(folder / name / f"{number:02}.png")
    return folder


def evaluated(folder, *flags):
    ran = keras_ssl_command("evaluate", "--model=entry", "--output=e.json", *flags, cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((folder / "e.json").read_text())


def test_folders_of_images_and_masks(workplace):
    protocols = "linear_segmentation,knn_segmentation,object_discovery,patch_correspondence,rankme"
    found = evaluated(workplace, "--data=images", "--masks=masks", f"--protocols={protocols}", "--k=3")
    assert (found["train"], found["test"]) == (20, 4)
    for name in ("linear_segmentation", "knn_segmentation", "corloc", "ari", "patch_correspondence", "rankme"):
        assert np.isfinite(found[name]), name
    assert 0 <= found["knn_segmentation"] <= 1
    (workplace / "masks/20.png").write_bytes((workplace / "masks/00.png").read_bytes())
    ran = keras_ssl_command(
        "evaluate", "--model=entry", "--data=images", "--masks=masks", "--protocols=knn_segmentation", cwd=workplace
    )
    assert ran.returncode != 0 and "'20.png'" in ran.stderr and "Traceback" not in ran.stderr
    (workplace / "masks/20.png").unlink()


def test_generated_scenes(workplace):
    found = evaluated(workplace, "--data=digit_scenes", "--size=24", "--protocols=object_discovery")
    assert (found["train"], found["test"]) == (6000, 2000)
    assert -1 <= found["ari_foreground"] <= 1 and 0 <= found["corloc"] <= 1


def test_what_data_lack_is_named(workplace):
    ran = keras_ssl_command(
        "evaluate", "--model=entry", "--data=colored_digits", "--size=16", "--protocols=knn_segmentation", cwd=workplace
    )
    assert ran.returncode != 0 and "needs --masks and" in ran.stderr and "Traceback" not in ran.stderr
