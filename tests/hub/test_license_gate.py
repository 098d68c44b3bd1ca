import pytest

from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.hub import Card
from keras_ssl.hub.license_gate import is_non_commercial
from keras_ssl.objectives import SimCLR
from tests.checkpoints.published import resnet
from tests.hub.downloads import without_backend
from tests.hub.published_entries import publish

pytestmark = without_backend


@pytest.mark.parametrize("given", [None, "MIT", "cc-by-nc-4.0", "CC-BY-NC-SA-4.0"])
def test_what_is_not_for_commercial_use_is_not_loaded_unasked(house, server, given):
    target = publish(house, server, "gated", {"net.pth": resnet()[0]}, license="CC-BY-NC-4.0")
    with pytest.raises(ValueError, match='under CC-BY-NC-4.0: they may not be used.*accept_license="CC-BY-NC-4.0"'):
        hub.load("gated", accept_license=given)
    with pytest.raises(ValueError, match=f"Received: accept_license={given!r}"):
        hub.load_heads(SimCLR(ConvNet(widths=(4,)), projector=(4, 3)), "gated", accept_license=given)
    assert server.paths == [] and not target.exists()
    assert hub.preprocessing("gated").std == [0.229, 0.224, 0.225]  # no weights, no license


def test_who_accepts_the_license_gets_the_weights(house, server):
    target = publish(house, server, "gated", {"net.pth": resnet()[0]}, license="CC-BY-NC-4.0")
    assert hub.load("gated", accept_license="CC-BY-NC-4.0", progress=False).built and target.is_file()


def test_only_those_that_serve_any_use_are_listed_unasked(house, server):
    publish(house, server, "gated", {"net.pth": resnet()[0]}, license="CC-BY-NC-4.0")
    publish(house, server, "free", {"net.pth": resnet()[0]}, license="MIT")
    assert hub.list_models() == ["free"]
    assert hub.list_models(non_commercial=True) == ["free", "gated"]
    with pytest.raises(ValueError, match="Closest: gated"):
        hub.load("gatad")


@pytest.mark.parametrize(
    "license, forbids",
    [("CC-BY-NC-4.0", True), ("CC-BY-NC-SA-3.0", True), ("MIT", False), ("", False), ("NCSA", False)],
)
def test_a_license_s_name_says_whether_it_forbids_commercial_use(tmp_path, license, forbids):
    file = hub.CardFile("encoder.safetensors", 1, "0" * 64)
    card = Card(name="e", architecture={"name": "ConvNet"}, files=(file,), license=license)
    assert is_non_commercial(card) == forbids
