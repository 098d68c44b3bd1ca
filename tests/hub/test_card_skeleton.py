from keras_ssl.encoders import ResNet
from keras_ssl.hub import Card
from keras_ssl.hub.card_skeleton import card_skeleton


def test_it_is_a_valid_card(tmp_path):
    (tmp_path / "mine.toml").write_text(card_skeleton("mine"))
    card = Card.read(tmp_path / "mine.toml")
    assert card.name == "mine" and [file.name for file in card.weight_files] == ["weights.pth"]
    assert type(card.build_encoder()) is ResNet and card.build_preprocessing() is not None
