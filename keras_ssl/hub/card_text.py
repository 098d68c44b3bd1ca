"""A card in words, for people."""

import re
from collections.abc import Mapping
from typing import Any

from keras_ssl.hub.card import Card
from keras_ssl.hub.license_gate import is_non_commercial
from keras_ssl.layers.pixel_scale import ANY_VALUE

README_NAME = "README.md"

# SPDX names, in small letters and without "-only" and "-or-later", that the Hub has as licenses.
_HUB_LICENSES = re.compile(
    r"afl-3\.0|agpl-3\.0|apache-2\.0|artistic-2\.0|bsd-[23]-clause|bsd-3-clause-clear|bsl-1\.0|cc0-1\.0"
    r"|cc-by-(2\.0|2\.5|3\.0|4\.0)|cc-by-sa-[34]\.0|cc-by-nc-[234]\.0|cc-by-nd-4\.0|cc-by-nc-nd-[34]\.0"
    r"|cc-by-nc-sa-[234]\.0|cdla-permissive-[12]\.0|cdla-sharing-1\.0|ecl-2\.0|epl-[12]\.0|etalab-2\.0|eupl-1\.[12]"
    r"|gpl-[23]\.0|isc|lgpl-(2\.1|3\.0)|mit|mpl-2\.0|ms-pl|ncsa|odc-by|odbl|ofl-1\.1|osl-3\.0|postgresql|unlicense"
    r"|wtfpl|zlib"
)


def card_text(card: Card) -> str:
    """What an entry is, may be used for, expects and gives, line by line.

    Example:

    >>> from keras_ssl.hub.catalogue import find
    >>> print(card_text(find("barlow_digits").read_card()).splitlines()[0])
    barlow_digits: Barlow Twins on handwritten digits in random colors, places and sizes.
    """
    license_text = card.license or "not stated"
    if is_non_commercial(card):
        license_text += f', not for commercial use: load(..., accept_license="{card.license}")'
    lines = {
        "license": license_text,
        "architecture": architecture_text(card),
        "trained on": card.data,
        "objective": _call(card.objective.get("name", ""), card.objective.get("arguments", {})),
        "paper": ", ".join(str(card.paper[key]) for key in ("title", "url") if key in card.paper),
        "pixels": _preprocessing_text(card.preprocessing),
        "claimed": _pairs(card.claims),
        "measured": _pairs(card.results),
        "origin": _pairs(card.origin),
        "to go on with": "" if card.heads_file is None else f"load(..., heads=True) reads {card.heads_file.name}",
        "made by": _pairs(card.versions),
    }
    title = f"{card.name}: {card.description}" if card.description else card.name
    text = [title, *(f"  {name + ':':<15}{value}" for name, value in lines.items() if value)]
    for file in card.files:
        origin = "" if file.url is None else f", from {file.url}"
        text.append(f"  {'file:':<15}{file.name}, {size_text(file.size)}, {file.hash_text}{origin}")
    return "\n".join(text)


def card_markdown(card: Card, address: str | None = None) -> str:
    """A model card in Markdown, with the header that the Hugging Face Hub reads.

    Args:
        card: of the entry.
        address: what `load` takes in the example. Defaults to None: the entry's name.

    Example:

    >>> from keras_ssl.hub.catalogue import find
    >>> print(card_markdown(find("barlow_digits").read_card()).splitlines()[1])
    license: apache-2.0
    """
    title, *lines = card_text(card).splitlines()
    name, _, description = title.partition(": ")
    place = address or name
    told = [line.strip().partition(":") for line in lines]
    facts = [(key, value.strip()) for key, _, value in told if key != "file"]
    files = [value.strip() for key, _, value in told if key == "file"]
    measured = [f"| {key} | {value} |" for key, value in card.results.items() if isinstance(value, int | float | str)]
    parts = [
        _front_matter(card),
        f"# {name}",
        description,
        f"```python\nimport keras_ssl\n\nencoder = keras_ssl.load({place!r})  # or the path of this folder\n```",
        "\n".join(f"- {key}: {value}" for key, value in facts if key != "measured"),
    ]
    if measured:
        parts.append("\n".join(["| measured | value |", "| --- | --- |", *measured]))
    parts.append("\n".join(["Files:", "", *(f"- {file}" for file in files)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(card: Card) -> str:
    """What the Hub reads of a model card: https://huggingface.co/docs/hub/model-cards."""
    license_name = re.sub(r"-(only|or-later)$", "", card.license.lower()) or "unknown"
    lines = [f"license: {license_name}"]
    if license_name != "unknown" and _HUB_LICENSES.fullmatch(license_name) is None:
        lines = ["license: other", f"license_name: {_tag(card.license)}"]
    lines.append("library_name: keras_ssl")
    if card.preprocessing:
        lines.append("pipeline_tag: image-feature-extraction")
    tags = ["self-supervised-learning", "keras", card.architecture["name"], card.objective.get("name", "")]
    return "\n".join(["---", *lines, "tags:", *(f"- {_tag(tag)}" for tag in tags if _tag(tag)), "---"])


def _tag(text: Any) -> str:
    """A text as one word that needs no quotes in YAML."""
    return re.sub(r"[^a-z0-9.]+", "-", str(text).lower()).strip("-.")


def architecture_text(card: Card) -> str:
    """The encoder's class and its arguments, as one would call it; without those that are None or its name."""
    return _call(card.architecture["name"], card.architecture.get("arguments", {}))


def size_text(size: int | None) -> str:
    """A number of bytes for people.

    Example:

    >>> size_text(394248), size_text(12), size_text(None)
    ('394.2 kB', '12 bytes', 'size unknown')
    """
    if size is None:
        return "size unknown"
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    said = {key: value for key, value in arguments.items() if value is not None and key not in ("name", "input_shape")}
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in said.items())})" if name else ""


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items())


def _preprocessing_text(table: Mapping[str, Any]) -> str:
    if not table:
        return "none: the encoder takes something else"
    said = [f"{table['size']} pixels"] if "size" in table else []
    said += [f"{key} {table[key]}" for key in ("resize", "crop_proportion", "crop", "interpolation") if key in table]
    scale = table.get("scale", 255)
    if scale != 255:
        said.append("values as they are" if tuple(scale) == ANY_VALUE else f"values from {scale[0]} to {scale[1]}")
    said += [f"clipped to {table['clip']}"] if "clip" in table else []
    return ", ".join([*said, f"mean {table['mean']}", f"std {table['std']}"])
