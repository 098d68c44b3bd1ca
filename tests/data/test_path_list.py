import os

import pytest

from keras_ssl.data.path_list import PathList


def test_is_a_sequence_of_its_texts():
    texts = ["a/1.png", "", "ü/猫.jpg", os.fsdecode(b"caf\xe9.png")]  # the last is no UTF-8
    paths = PathList(iter(texts))
    assert len(paths) == 4 and list(paths) == texts and paths == texts and paths != texts[:3]
    assert paths[-1] == texts[-1] and paths[1:3] == texts[1:3] and paths[::-2] == texts[::-2]
    assert [paths.encoded(number) for number in range(4)] == [os.fsencode(text) for text in texts]
    assert "a/1.png" in paths and "a/2.png" not in paths
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"Received: index={index}"):
            paths[index]
    assert not PathList([])
    assert repr(paths) == repr(texts) and "(9 paths)" in repr(PathList("abcdefghi"))
