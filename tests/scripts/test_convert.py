"""Other projects' checkpoints become entries: scripts/convert.py over a tiny ResNet and a tiny vision transformer."""

import hashlib

import numpy as np
import pytest

import keras_ssl
from tests.checkpoints import make_torch_files
from tests.checkpoints.published import VITS, prefixed, projector, resnet, resnet_features, vit, vit_features, write
from tests.encoders.test_vit import features
from tests.scripts.test_scripts import ON_TENSORFLOW, run_repeatedly

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESNET = f"--architecture=ResNet depth=18 width={make_torch_files.WIDTH}"
VIT = "--architecture=ViT width=24 depth=3 heads=3 patch_size=4 image_size=32 layer_scale=1.0"


@pytest.mark.slow
def test_entries_give_the_published_features(tmp_path):
    (resnet_weights, _), vit_weights = resnet(), vit(layer_scale=True)
    head = projector(12, 6, bias=False)
    held = prefixed("net.", resnet_weights) | prefixed("net.projector.", head)
    write(tmp_path / "own.pth", {"ema": held})
    write(tmp_path / "dinov2.pth", VITS["dinov2"][1](vit_weights))
    card = ["--url=https://example.org/a.pth", "--license=MIT", "--data=ImageNet", "--description=Tiny.", "--name=b"]
    card.append("--objective=BarlowTwins projector=[12, 6]")
    ends = run_repeatedly(
        "convert.py",
        ["--checkpoint=own.pth", "--keys=ema", "--prefixes=net.", RESNET, "--output=made/own", "--size=32", *card],
        ["--checkpoint=dinov2.pth", VIT, "--output=made/dinov2", "--mean=0.5", "--std=0.5,0.4,0.3"],
        cwd=tmp_path,
    )
    assert ends == [[None, f"Converted to made/{name}: keras_ssl.load('made/{name}')\n"] for name in ("own", "dinov2")]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["dinov2", "own"]

    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), "uint8")
    expected = resnet_features(resnet_weights, (pixels / 255 - MEAN) / STD)
    np.testing.assert_allclose(features(keras_ssl.load(tmp_path / "made" / "own"), pixels), expected, atol=1e-5)
    expected = vit_features(vit_weights, (pixels / 255 - 0.5) / (0.5, 0.4, 0.3), offset=0.1)
    np.testing.assert_allclose(features(keras_ssl.load(tmp_path / "made" / "dinov2"), pixels), expected, atol=2e-5)

    encoder = keras_ssl.load(tmp_path / "made" / "own", include_preprocessing=False)
    model = keras_ssl.BarlowTwins(encoder, projector=(12, 6))
    keras_ssl.load_heads(model, tmp_path / "made" / "own")
    np.testing.assert_array_equal(np.asarray(model.projector.get_weights()[0]), head["0.weight"].T)

    card = keras_ssl.hub.Card.read(tmp_path / "made" / "own" / "card.toml")
    content = (tmp_path / "own.pth").read_bytes()
    assert card.origin == {
        "url": "https://example.org/a.pth",
        "file": "own.pth",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    assert card.preprocessing == {"mean": list(MEAN), "std": list(STD), "scale": 255, "size": 32}
    assert (card.name, card.license, card.data, card.description) == ("b", "MIT", "ImageNet", "Tiny.")
    assert card.saved_model is ON_TENSORFLOW and card.architecture["arguments"]["depth"] == 18
    card = keras_ssl.hub.Card.read(tmp_path / "made" / "dinov2" / "card.toml")
    assert card.preprocessing == {"mean": 0.5, "std": [0.5, 0.4, 0.3], "scale": 255}
    assert (card.name, card.license) == ("dinov2", "") and list(card.origin) == ["file", "sha256", "size"]


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="mistakes are the same on every backend")
def test_mistakes_are_one_line_and_leave_nothing(tmp_path):
    weights, _ = resnet()
    write(tmp_path / "weights.pth", weights)
    write(tmp_path / "less.pth", {key: array for key, array in weights.items() if key != "bn1.bias"})
    (tmp_path / "text.pth").write_text("in the way")
    before = sorted(path.name for path in tmp_path.iterdir())
    mistakes = {
        "missing: bn1.bias": ["--checkpoint=less.pth"],
        "cannot be read (No such file or directory)": ["--checkpoint=nowhere.pth"],
        "has a format that is not read": ["--checkpoint=text.pth"],
        "--output exists already": ["--output=text.pth"],
        "`encoder.name` is unknown": ["--architecture=VGG"],
        "no setting 'dept'": ["--architecture=ResNet dept=18"],
        "`encoder` must be of a family whose published names are known": ["--architecture=ConvNet"],
        "a projector's can be read and no others": ["--objective=SimSiam"],
        "missing: projector.0.weight": ["--objective=BarlowTwins projector=[12,6]"],
        "In 'BarlowTwins projector=0'": ["--objective=BarlowTwins projector=0"],
        "--mean must be one number or 3": ["--mean=0.5,0.5"],
        "--std must be one number or 3": ["--std=a"],
        "`std` must be positive": ["--std=0"],
        "no weights at the top": ["--checkpoint=keyed.pth"],
        "--output cannot be written (Not a directory)": ["--output=text.pth/entry"],
    }
    write(tmp_path / "keyed.pth", {"ema": weights})
    usual = ["--checkpoint=weights.pth", RESNET, "--output=new/entry"]
    ends = run_repeatedly("convert.py", *([*usual, *flags] for flags in mistakes.values()), cwd=tmp_path)
    for (line, _), message in zip(ends, mistakes, strict=True):
        assert line is not None and line.startswith("convert.py: error: ") and "\n" not in line
        assert message in line and "Received: " in line
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "keyed.pth"])
