import json
import shutil

import pytest

from keras_ssl.hub.published_index import index_texts


def test_it_lists_folders_with_a_card_and_files_that_are_there(shared_entry, tmp_path):
    for name in ("b", "a"):
        shutil.copytree(shared_entry, tmp_path / name)
    (tmp_path / "a" / "golden.safetensors").unlink()
    (tmp_path / "no_entry").mkdir()
    texts = index_texts(tmp_path)
    entries = json.loads(texts["index.json"])["entries"]
    assert list(entries) == ["a", "b"] and entries["b"]["card"] == "b/card.toml"
    paths = {name: [file["path"] for file in entry["files"]] for name, entry in entries.items()}
    assert "b/golden.safetensors" in paths["b"] and "a/golden.safetensors" not in paths["a"]
    assert 'keras_ssl.load("a")' in texts["index.html"]


def test_an_empty_tree_has_an_index_too(tmp_path):
    assert json.loads(index_texts(tmp_path)["index.json"]) == {"format": 1, "entries": {}}


def test_a_card_that_is_none_is_named(tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "card.toml").write_text("format = 1")
    with pytest.raises(ValueError, match="must say name, architecture, files.*e/card.toml"):
        index_texts(tmp_path)
