"""The file that `pretrain` reads its method from."""

import pytest

from keras_ssl.registry import names
from keras_ssl.workflows import best_method as module
from keras_ssl.workflows.best_method import best_method, best_methods
from keras_ssl.workflows.choices import DataFacts, choose

pytestmark = pytest.mark.once


def test_its_rows_name_methods():
    rows = best_methods()
    assert rows and all(row["method"] in names("objective") and row["images"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("images", "method"),
    [(1, "BYOL"), (300, "BYOL"), (900, "BYOL"), (1000, "SimCLR"), (10**7, "SimCLR"), (None, "SimCLR")],
)
def test_the_nearest_number_of_images_decides(images, method, monkeypatch):
    rows = [{"images": 300, "method": "BYOL"}, {"images": 3000, "method": "SimCLR"}]
    monkeypatch.setattr(module, "best_methods", lambda: rows)
    assert best_method(images) == method
    if images is None or images > 16:
        recipe, _ = choose(DataFacts("photos", images, 32, True))
        assert recipe.sections["objective"]["name"] == method
