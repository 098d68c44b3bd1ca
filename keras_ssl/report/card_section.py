"""What the card says: a head with the main facts, and at the end of the page its files and the recipe."""

from collections.abc import Mapping
from typing import Any

from keras_ssl.hub.card import Card
from keras_ssl.hub.toml_files import toml_text
from keras_ssl.report.markup import Markup, element, section, sentence


def card_facts(card: Card) -> Markup:
    """The main facts in two columns."""
    weights = card.weight_files[0]
    facts = {
        "architecture": call_text(card.architecture),
        "objective": call_text(card.objective),
        "trained on": card.data,
        "seed": card.seed,
        "license": card.license,
        "weights": f"{weights.name}, {weights.size:,} bytes, sha256 {weights.sha256}",
        "origin": ", ".join(f"{key} {value}" for key, value in card.origin.items()),
    }
    return element("dl", *_pairs(facts), class_="facts")


def card_section(card: Card) -> Markup:
    """Every file with its size and hash, the recipe, and the versions of the training."""
    rows = [
        element(
            "tr", element("td", file.name), element("td", f"{file.size:,}", class_="number"), element("td", file.sha256)
        )
        for file in card.files
    ]
    head = element("tr", *(element("th", text) for text in ("file", "bytes", "sha256")))
    recipe = toml_text(card.recipe).strip()
    return section(
        "card",
        "Files and recipe",
        sentence(f"Made with {versions_text(card.versions)}.") if card.versions else None,
        element("table", element("thead", head), element("tbody", *rows), class_="files"),
        element("pre", recipe) if recipe else sentence("The card holds no recipe."),
    )


def call_text(component: Mapping[str, Any]) -> str:
    """A class and its arguments as code: `ConvNet(widths=[4, 8])`; empty where there is no class."""
    if not component.get("name"):
        return ""
    arguments = ", ".join(f"{key}={value!r}" for key, value in component.get("arguments", {}).items())
    return f"{component['name']}({arguments})"


def versions_text(versions: Mapping[str, Any]) -> str:
    """Names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _pairs(facts: Mapping[str, Any]) -> list[Markup]:
    return [
        element("div", element("dt", name), element("dd", value))
        for name, value in facts.items()
        if value not in ("", None)
    ]
