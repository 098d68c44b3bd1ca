import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.hub import Card, CardFile

WEIGHTS = CardFile("encoder.safetensors", 3000, "0" * 64)
CONVNET = {"name": "ConvNet", "arguments": {"widths": [4], "input_shape": [None, None, 1]}}


def card(**changes):
    return Card(**{"name": "e", "architecture": CONVNET, "files": (WEIGHTS,), **changes})


def test_round_trip(tmp_path):
    written = card(
        seed=3,
        data="digits",
        preprocessing={"mean": 0.5, "std": 0.25, "scale": 255, "size": 16},
        objective={"name": "SimCLR", "arguments": {"temperature": 0.1, "predictor": None}},
        results={"knn": 0.75, "curve": [0.1, 0.2]},
        versions={"keras": "3"},
    )
    written.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == written


PUBLISHED = CardFile("net.pth", None, "first-use", "https://example.org/net.pth")
WHOLE = CardFile("whole.pth", None, "first-use", "https://example.org/whole.pth")


def test_a_card_may_be_of_another_project_s_checkpoint(tmp_path):
    checkpoint = {"path": "net.pth", "keys": ["ema"], "prefixes": ["net."], "heads": "whole.pth"}
    paper = {"title": "A paper", "url": "https://example.org"}
    written = card(files=(PUBLISHED, WHOLE), checkpoint=checkpoint, paper=paper, claims={"top1": 73.5})
    written.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == written and "size" not in (tmp_path / "card.toml").read_text()
    assert written.weight_files == [PUBLISHED] and written.heads_file == WHOLE
    assert card(files=(PUBLISHED,), checkpoint={"path": "net.pth"}).heads_file is None


@pytest.mark.parametrize(
    "checkpoint", [{"path": "other.pth"}, {}, {"path": "net.pth", "heads": "x"}, {"pa": "net.pth"}]
)
def test_a_checkpoint_names_files_of_the_card(checkpoint):
    with pytest.raises(ValueError, match="which name files of the card|must list one .safetensors"):
        card(files=(PUBLISHED,), checkpoint=checkpoint)


def test_the_encoder_s_arguments_may_be_changed():
    assert card().build_encoder(widths=[5]).output_shape == (None, 5)
    with pytest.raises(ValueError, match="ConvNet has no argument 'heads'"):
        card().build_encoder(heads=3)


def test_the_word_none_is_a_text_where_no_argument_stands(tmp_path):
    written = card(description="none", data="none", license="none", results={"note": "none"})
    written.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == written


def test_the_encoder_is_built_from_the_library():
    encoder = card().build_encoder()
    assert type(encoder) is ConvNet and encoder.input_shape == (None, None, None, 1)


@pytest.mark.parametrize("name", ["Lambda", "os.system", "keras.Sequential", "features", "Resnet"])
def test_no_other_class_is_built(name):
    with pytest.raises(ValueError, match="not one of keras_ssl.encoders.*Received: architecture="):
        card(architecture={"name": name, "arguments": {}}).build_encoder()


def test_an_argument_that_the_class_lacks_is_named():
    with pytest.raises(ValueError, match="ConvNet has no argument 'depth'"):
        card(architecture={"name": "ConvNet", "arguments": {"depth": 3}}).build_encoder()


@pytest.mark.parametrize(
    "text, message",
    [
        ("format = 9", "reads cards of format 1. Received: format=9"),
        ("format = 1\ncolor = 3", "Received: color"),
        ("format = 1\nname = 'e'", "must say architecture, files"),
        ("format = 1\nname = 3\nfiles = []\narchitecture = {name = 'ConvNet'}", "`name` must be of type str"),
        ("format = 1\nname = 'e'\nfiles = []\narchitecture = {name = 'ConvNet'}", "one .safetensors file"),
        ("format = 1\nname = 'e'\nfiles = [1]\narchitecture = {name = 'ConvNet'}", "must be tables"),
        (
            "format = 1\nname = 'e'\nfiles = [{name = 'a'}]\narchitecture = {name = 'ConvNet'}",
            "name, size, sha256",
        ),
        ("format = 1\nname = 'e'\nfiles = []\narchitecture = {}", "`architecture.name` must be"),
    ],
)
def test_what_is_no_card_is_named(tmp_path, text, message):
    (tmp_path / "card.toml").write_text(text)
    with pytest.raises(ValueError, match=f"{message}.*card.toml"):
        Card.read(tmp_path / "card.toml")


def test_preprocessing_needs_mean_and_std():
    with pytest.raises(ValueError, match="must say mean and std"):
        card(preprocessing={"mean": 0.5})
    assert card().build_preprocessing() is None
    assert card(preprocessing={"mean": 0.5, "std": 0.2}).build_preprocessing().std == 0.2
