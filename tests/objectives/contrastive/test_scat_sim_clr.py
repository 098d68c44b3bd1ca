"""What ScatSimCLR computes, against SimCLR and closed forms."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import nt_xent_loss
from keras_ssl.objectives.contrastive.scat_sim_clr import cut, turned
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def model(**options):
    return keras_ssl.ScatSimCLR(encoder(), projector=(8, 6), pretext_widths=(8,), views=cheap_views(), **options)


class TestScatSimCLR:
    def test_is_nt_xent_and_the_weighted_cross_entropy(self):
        z1, z2, logits = draws(7, 6), draws(7, 6, seed=1), draws(7, 4, seed=2)
        label = np.array([0, 3, 1, 2, 2, 0, 1], "int32")
        loss, logs = model(pretext_weight=0.7).objective(
            {"z1": z1, "z2": z2, "logits": logits, "label": label}, Step.at(1)
        )
        entropy = np.mean([np.logaddexp.reduce(row) - row[k] for row, k in zip(logits, label, strict=True)])
        assert value(loss) == pytest.approx(value(nt_xent_loss(z1, z2, 0.1)) + 0.7 * entropy, rel=1e-5)
        assert value(logs["pretext_accuracy"]) == pytest.approx(np.mean(logits.argmax(1) == label))

    @pytest.mark.parametrize(("pretext", "classes"), [("rotation", 4), ("jigsaw", 24)])
    def test_a_classifier_that_knows_nothing_is_at_chance(self, pretext, classes):
        made = model(pretext=pretext)
        z = draws(7, 6)
        logs = made.objective(
            {"z1": z, "z2": z, "logits": np.zeros((7, classes), "float32"), "label": np.arange(7) % 4}, Step.at(1)
        )[1]
        assert value(logs["pretext"]) == pytest.approx(np.log(classes), rel=1e-5)

    @pytest.mark.slow
    def test_weight_zero_is_simclr_to_the_bit(self):
        made = model(pretext_weight=0.0)
        plain = keras_ssl.SimCLR(encoder(), projector=(8, 6), views=cheap_views())
        plain.set_weights(made.get_weights())
        histories = []
        for each in (made, plain):
            each.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
            histories.append(each.fit(IMAGES, batch_size=4, epochs=2, verbose=0).history)
        assert histories[0] == histories[1]
        for a, b in zip(made.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.slow
    @pytest.mark.parametrize("pretext", ["rotation", "jigsaw"])
    def test_all_classes_are_drawn_and_passed_on(self, pretext):
        made = model(pretext=pretext)
        images = np.zeros((96, 8, 8, 3), "uint8")
        z = made.embed({"x": images}, Step.at(96))
        classes = 4 if pretext == "rotation" else 24
        assert set(numpy(z["label"])) <= set(range(classes)) and len(set(numpy(z["label"]))) > 0.8 * classes
        assert tuple(z["logits"].shape) == (96, classes)

    def test_turns_are_numpys(self):
        turns = np.array([0, 1, 2, 3, 1, 0, 2, 3], "int32")
        expected = np.stack([np.rot90(image, k) for image, k in zip(IMAGES, turns, strict=True)])
        np.testing.assert_array_equal(numpy(turned(IMAGES, turns)), expected)

    def test_every_order_of_the_quarters_is_another(self):
        image = IMAGES[:1].astype("float32")
        made = numpy(cut(np.repeat(image, 24, axis=0), np.arange(24, dtype="int32")))
        np.testing.assert_array_equal(made[0], image[0])
        assert len({m.tobytes() for m in made}) == 24
        quarters = {image[0, i : i + 4, j : j + 4].tobytes() for i in (0, 4) for j in (0, 4)}
        assert all({m[i : i + 4, j : j + 4].tobytes() for i in (0, 4) for j in (0, 4)} == quarters for m in made)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"pretext": "color"}, "pretext.*Received: pretext='color'"),
            ({"pretext_weight": -1}, "pretext_weight.*Received: pretext_weight=-1"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            model(**options)

    def test_images_that_cannot_be_turned_or_cut_are_refused(self):
        with pytest.raises(ValueError, match="square.*Received"):
            turned(IMAGES[:, :6], np.zeros(8, "int32"))
        with pytest.raises(ValueError, match="even.*Received"):
            cut(IMAGES[:, :7], np.zeros(8, "int32"))
