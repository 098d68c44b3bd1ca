"""The table of the catalogue names every card of the folder once, with what the card says."""

import re

import pytest

from keras_ssl.hub import CardFile, catalogue
from keras_ssl.hub.catalogue_table import catalogue_markdown, catalogue_row, hash_kind
from tests.hub.downloads import without_backend

pytestmark = without_backend
URL = "https://example.org/a"


def test_the_page_has_every_card_of_the_folder_once():
    found = catalogue.entries()
    page = catalogue_markdown()
    rows = {match[1]: match[0] for match in re.finditer(r"^\| (\w+) \|.*\|$", page, re.MULTILINE) if match[1] != "name"}
    assert set(rows) == set(found) and page.count("\n| ") == len(found) + page.count("\n| name |")
    assert page.startswith(f"# Published weights\n\n{len(found)} entries")
    for name, entry in found.items():
        card = entry.read_card()
        assert card.license in rows[name] and card.architecture["name"] in rows[name]
        assert f"## {'/'.join(card.origin['url'].split('/')[-2:])}\n" in page if card.origin else True
    assert (
        page.index("\n## facebookresearch/dino\n")
        < page.index("| dino_vits16 |")
        < page.index("facebookresearch/ijepa")
    )


def test_a_row_says_what_the_card_says():
    row = catalogue_row("x", catalogue.find("moco_vits16_sentinel2").read_card())
    assert (row.channels, row.hash, row.license, row.accuracy) == ("13", "prefix", "CC-BY-4.0", "")
    row = catalogue_row("mae_vitb16", catalogue.find("mae_vitb16").read_card())
    assert (row.license, row.size, row.hash) == ("CC-BY-NC-4.0 (ask)", "343.2 MB", "sha256")
    assert catalogue_row("y", catalogue.find("ibot_vitl16").read_card()).hash == "first use"


@pytest.mark.parametrize(
    "known, kind",
    [
        ({}, "first use"),
        ({"md5": "123456"}, "md5"),
        ({"md5": "123456", "sha256_prefix": "abcdef"}, "prefix"),
        ({"sha256": "0" * 64, "md5": "123456"}, "sha256"),
    ],
)
def test_the_kinds_of_hashes(known, kind):
    assert hash_kind(CardFile(**{"name": "a", "size": 1, "sha256": "first-use", "url": URL, **known})) == kind
