"""A card to fill in, for weights that another project publishes."""

from keras_ssl.hub.toml_files import toml_text

_HEAD = """\
# A card of weights that another project publishes: fill it in, and leave out what is not known. Check it by
#     python scripts/zoo.py card THIS_FILE
# The text "first-use" is for a file whose full sha256 nobody states; where there is one, size and sha256 go there. What
# the publisher gives of a hash goes into `sha256_prefix` and `md5`.
"""


def card_skeleton(name: str) -> str:
    """The text of a valid card whose values are examples.

    Args:
        name: of the entry.

    Example:

    >>> "mine" in card_skeleton("mine")
    True
    """
    tables = {
        "format": 1,
        "name": name,
        "description": "What it is, in a sentence.",
        "license": "MIT",
        "data": "What it was trained on.",
        "architecture": {"name": "ResNet", "arguments": {"depth": 50}},
        "preprocessing": {
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "scale": 255,
            "resize": 256,
            "crop": "center",
            "size": 224,
            "interpolation": "bilinear",
        },
        "claims": {"imagenet_linear_top1": 0.0, "url": "https://example.org/where-it-says-so"},
        "paper": {"title": "Its title", "url": "https://example.org/paper"},
        "origin": {"url": "https://example.org/project"},
        "checkpoint": {"path": "weights.pth"},
        "files": [{"name": "weights.pth", "sha256": "first-use", "url": "https://example.org/weights.pth"}],
    }
    return _HEAD + toml_text(tables)
