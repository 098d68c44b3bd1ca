"""Other projects' checkpoints become entries: scripts/convert.py over a tiny ResNet and a tiny vision transformer."""

import hashlib

import numpy as np
import pytest

import keras_ssl
from tests.checkpoints import make_torch_files
from tests.checkpoints.published import VITS, prefixed, projector, resnet, resnet_features, vit, vit_features, write
from tests.encoders.test_vit import features
from tests.forking import run_repeatedly
from tests.scripts.test_scripts import ON_TENSORFLOW

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESNET = f"--architecture=ResNet depth=18 width={make_torch_files.WIDTH}"
VIT = "--architecture=ViT width=24 depth=3 heads=3 patch_size=4 image_size=32 layer_scale=1.0"
HEAD = projector(12, 6, bias=False)
MISTAKES = {
    "missing: bn1.bias": ["--checkpoint=less.pth"],
    "cannot be read (No such file or directory)": ["--checkpoint=nowhere.pth"],
    "--output exists already": ["--output=text.pth"],
    "`encoder.name` is unknown": ["--architecture=VGG"],
    "no setting 'dept'": ["--architecture=ResNet dept=18"],
    "`model` must be an encoder of a family whose published names are known": ["--architecture=ConvNet"],
    "a projector's can be read and no others": ["--objective=SimSiam"],
    "In 'BarlowTwins projector=0'": ["--objective=BarlowTwins projector=0"],
    "--mean must be one number or 3": ["--mean=0.5,0.5"],
    "--std must be one number or 3": ["--std=a"],
    "no weights at the top": ["--checkpoint=own.pth"],
    "--output cannot be written (Not a directory)": ["--output=text.pth/entry"],
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """The folder in which the script converted two checkpoints and refused others, and how it ended each time."""
    folder = tmp_path_factory.mktemp("workplace")
    weights, _ = resnet()
    held = prefixed("net.", weights) | prefixed("net.projector.", HEAD)
    write(folder / "own.pth", {"ema": held})
    write(folder / "dinov2.pth", VITS["dinov2"][1](vit(layer_scale=True)))
    write(folder / "weights.pth", weights)
    write(folder / "less.pth", {key: array for key, array in weights.items() if key != "bn1.bias"})
    (folder / "text.pth").write_text("in the way")
    card = ["--url=https://example.org/a.pth", "--license=MIT", "--data=ImageNet", "--description=Tiny.", "--name=b"]
    card += ["--size=32", "--objective=BarlowTwins projector=[12, 6]"]
    usual = ["--checkpoint=weights.pth", RESNET, "--output=new/entry"]
    ends = run_repeatedly(
        "convert.py",
        ["--checkpoint=own.pth", "--keys=ema", "--prefixes=net.", RESNET, "--output=made/own", *card],
        ["--checkpoint=dinov2.pth", VIT, "--output=made/dinov2", "--mean=0.5", "--std=0.5,0.4,0.3"],
        *([*usual, *flags] for flags in MISTAKES.values()),
        cwd=folder,
    )
    return folder, ends


@pytest.mark.slow
def test_entries_give_the_published_features(workplace):
    folder, ends = workplace
    assert ends[:2] == [
        (None, f"Converted to made/{name}: keras_ssl.load('made/{name}')\n") for name in ("own", "dinov2")
    ]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), "uint8")
    expected = resnet_features(resnet()[0], (pixels / 255 - MEAN) / STD)
    np.testing.assert_allclose(features(keras_ssl.load(folder / "made" / "own"), pixels), expected, atol=1e-5)
    expected = vit_features(vit(layer_scale=True), (pixels / 255 - 0.5) / (0.5, 0.4, 0.3), offset=0.1)
    np.testing.assert_allclose(features(keras_ssl.load(folder / "made" / "dinov2"), pixels), expected, atol=2e-5)

    encoder = keras_ssl.load(folder / "made" / "own", include_preprocessing=False)
    model = keras_ssl.BarlowTwins(encoder, projector=(12, 6))
    keras_ssl.load_heads(model, folder / "made" / "own")
    np.testing.assert_array_equal(np.asarray(model.projector.get_weights()[0]), HEAD["0.weight"].T)

    card = keras_ssl.hub.Card.read(folder / "made" / "own" / "card.toml")
    content = (folder / "own.pth").read_bytes()
    assert card.origin == {
        "url": "https://example.org/a.pth",
        "file": "own.pth",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    assert card.preprocessing == {"mean": list(MEAN), "std": list(STD), "scale": 255, "size": 32}
    assert (card.name, card.license, card.data, card.description) == ("b", "MIT", "ImageNet", "Tiny.")
    assert card.saved_model is ON_TENSORFLOW and card.architecture["arguments"]["depth"] == 18
    card = keras_ssl.hub.Card.read(folder / "made" / "dinov2" / "card.toml")
    assert card.preprocessing == {"mean": 0.5, "std": [0.5, 0.4, 0.3], "scale": 255}
    assert (card.name, card.license) == ("dinov2", "") and list(card.origin) == ["file", "sha256", "size"]


@pytest.mark.slow
def test_mistakes_are_one_line_and_leave_nothing(workplace):
    folder, ends = workplace
    for (line, _), message in zip(ends[2:], MISTAKES, strict=True):
        assert line is not None and line.startswith("convert.py: error: ") and "\n" not in line
        assert message in line and "Received: " in line
    files = ["dinov2.pth", "less.pth", "made", "own.pth", "text.pth", "weights.pth"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert sorted(path.name for path in (folder / "made").iterdir()) == ["dinov2", "own"]
