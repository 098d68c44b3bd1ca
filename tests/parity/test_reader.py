"""The reader that needs no PyTorch tells the same of a file as PyTorch's own."""

import json

import pytest

from keras_ssl.checkpoints import read_npz, read_torch
from tests.parity.families import FAMILIES, file_name
from tests.parity.tree import described

VALUES = [f"values_{format}_{protocol}" for format in ("zip", "stream") for protocol in (2, 3, 4, 5)]


@pytest.mark.parametrize("name", [*VALUES, *FAMILIES])
def test_a_file_holds_what_pytorch_reads(published, name):
    expected = json.loads((published / f"{name}.json").read_text())
    reader = read_npz if name in FAMILIES and FAMILIES[name].npz else read_torch
    path = published / (file_name(name) if name in FAMILIES else f"{name}.pth")
    assert described(reader(path)) == expected
