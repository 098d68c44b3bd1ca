import pytest

from keras_ssl.hub import Card
from keras_ssl.hub.card_text import architecture_text, card_markdown, card_text, size_text
from tests.hub.test_card import WEIGHTS, card


def lines(text):
    """What stands after each word."""
    title, *rest = text.splitlines()
    return title, {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in rest}


def test_a_card_says_all_that_it_knows():
    title, said = lines(
        card_text(
            card(
                description="Tiny.",
                license="MIT",
                data="digits",
                preprocessing={"mean": 0.5, "std": 0.25, "size": 224, "resize": 256, "crop": "center"},
                objective={"name": "SimCLR", "arguments": {"temperature": 0.1, "predictor": None}},
                results={"knn": 0.75},
                paper={"title": "On digits", "url": "https://example.org"},
                versions={"keras": "3"},
            )
        )
    )
    assert title == "e: Tiny." and said["license"] == "MIT" and said["trained on"] == "digits"
    assert said["architecture"] == "ConvNet(widths=[4])" and said["objective"] == "SimCLR(temperature=0.1)"
    assert said["pixels"] == "224 pixels, resize 256, crop center, mean 0.5, std 0.25"
    assert said["measured"] == "knn 0.75" and said["paper"] == "On digits, https://example.org"
    assert said["made by"] == "keras 3" and said["file"] == f"encoder.safetensors, 3.0 kB, sha256 {'0' * 64}"


def test_what_it_does_not_know_it_leaves_out_or_says_so():
    title, said = lines(card_text(card()))
    assert title == "e" and set(said) == {"license", "architecture", "pixels", "file"}
    assert said["license"] == "not stated" and said["pixels"].startswith("none")


def test_a_license_that_must_be_accepted_says_how():
    assert 'load(..., accept_license="CC-BY-NC-4.0")' in card_text(card(license="CC-BY-NC-4.0"))


def test_an_architecture_is_shown_as_one_would_call_it():
    arguments = {"variant": "S", "width": None, "mlp": "gelu", "name": "vit", "input_shape": [None, None, 3]}
    shown = architecture_text(Card("e", {"name": "ViT", "arguments": arguments}, (WEIGHTS,)))
    assert shown == "ViT(variant='S', mlp='gelu')"


@pytest.mark.parametrize(
    "size, text",
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (94_346_979, "94.3 MB"), (4_546_000_000, "4.5 GB")],
)
def test_sizes(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    "license, told",
    [
        ("MIT", ["license: mit"]),
        ("GPL-3.0-or-later", ["license: gpl-3.0"]),
        ("CC-BY-NC-SA-4.0", ["license: cc-by-nc-sa-4.0"]),
        ("LicenseRef-DINOv3 License", ["license: other", "license_name: licenseref-dinov3-license"]),
        ("", ["license: unknown"]),
    ],
)
def test_the_hub_is_told_licenses_by_the_names_that_it_knows(license, told):
    header = card_markdown(card(license=license)).split("---")[1].splitlines()
    assert [line for line in header if line.startswith("license")] == told


def test_the_hub_is_told_the_task_of_image_encoders_alone():
    images = card_markdown(card(preprocessing={"mean": 0.5, "std": 0.25}, objective={"name": "SimCLR"}))
    assert "pipeline_tag: image-feature-extraction" in images and "- simclr\n" in images
    assert "pipeline_tag" not in card_markdown(card())


def test_the_example_loads_from_where_the_card_is_shown():
    assert "keras_ssl.load('hf://me/tiny')" in card_markdown(card(), "hf://me/tiny")
