import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub.not_shipped import why_not_shipped
from tests.hub.downloads import without_backend

pytestmark = without_backend


@pytest.mark.parametrize(
    "name, encoder, nearest",
    [
        ("dinov3_vits16", "RotaryViT", "lingbot_vits16"),
        ("dinov3-vitb16", "RotaryViT", "lingbot_vitb16"),
        ("DINOv3_ViTL16", "RotaryViT", "lingbot_vitl16"),
        ("dinov3_vit7b16", "RotaryViT", "lingbot_vitg16"),
        ("dinov3_convnext_tiny", "ConvNeXt", "openmmlab_spark_resnet50"),
        ("eupe_vitt16", "RotaryViT", "lingbot_vits16"),
        ("eupe_convnext_base", "ConvNeXt", "openmmlab_spark_resnet50"),
    ],
)
def test_the_error_says_why_and_names_the_nearest_open_entry(name, encoder, nearest):
    with pytest.raises(ValueError, match=f"into a {encoder}. The nearest open one: {nearest}. Received: "):
        keras_ssl.load(name)
    assert nearest in hub.list_models(license="permissive")


@pytest.mark.parametrize("name", ["dinov2_vits14", "dinov3", "my_dinov3_vits16", "eupe", ""])
def test_of_other_names_nothing_is_said(name):
    assert why_not_shipped(name) == ""
