"""How an encoder and what stands on it fare under universal attacks, with and without a defense."""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ssl.attacks.adv_encoder import AdvEncoder
from keras_ssl.attacks.fooling_rate import fooling_rate
from keras_ssl.attacks.interval_bounds import check_epsilon
from keras_ssl.attacks.margin_attack import MarginAttack
from keras_ssl.attacks.universal_perturbation import UniversalPerturbation
from keras_ssl.check_number import check_number
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.finetuned_classifier import features_model, finetuned_classifier
from keras_ssl.evaluation.linear_probe import linear_predict
from keras_ssl.evaluation.validation import as_images, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["RobustnessRow", "robustness_report"]

ATTACKS = ("noise", "perturbation", "patch")
DEFENSES = ("none", "corruption", "pruning", "fine_tuning", "adversarial_training")

Classifier = Callable[[np.ndarray], np.ndarray]


class RobustnessRow(NamedTuple):
    """What one attack does under one defense.

    Attributes:
        attack: "noise", "perturbation" or "patch".
        defense: "none", "corruption", "pruning", "fine_tuning" or "adversarial_training".
        clean: accuracy on the test images as they are, 0 to 1.
        attacked: accuracy on the attacked ones.
        fooled: share of the predictions that the attack changes.

    Example:

    >>> RobustnessRow("patch", "none", clean=0.9, attacked=0.4, fooled=0.55).attacked
    0.4
    """

    attack: str
    defense: str
    clean: float
    attacked: float
    fooled: float


def robustness_report(
    model: keras.Model,
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    attacks: Sequence[str] = ATTACKS,
    defenses: Sequence[str] = ("none",),
    surrogate: Tensor | None = None,
    epsilon: float = 10 / 255,
    patch_share: float = 0.03,
    attack_epochs: int = 5,
    noise: float = 0.05,
    pruned_share: float = 0.3,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    batch_size: int = 64,
    attack_options: dict[str, Any] | None = None,
    seed: int = 0,
) -> list[RobustnessRow]:
    """Attacks an encoder once, without labels, and tests classifiers on it, each under a defense.

    The attacker has the published encoder and some images, the surrogate set. Classifier and defense are the user's,
    whom the attacker does not know. So each attack is made once, and all defenses meet the same one:

    - "noise": a perturbation of random signs of size epsilon, to compare with;
    - "perturbation", "patch": `AdvEncoder`, with a free perturbation, or a patch.

    The defenses are those that the paper tests, as far as its text says how:

    - "none": a linear probe on the features of the encoder as it is;
    - "corruption": Gaussian noise on the test images before the encoder, cut to [0, 1]; the probe is that of "none";
    - "pruning": of each kernel of the encoder, the share `pruned_share` of the smallest entries is set to 0; the probe
      is trained on the features that are left;
    - "fine_tuning": encoder and classifier are trained with the labels;
    - "adversarial_training": the same, each batch followed by the batch moved within epsilon by three steps of
      `MarginAttack` on the present classifier. What it costs is four times the passes.

    `model` stays as it is.

    Args:
        model: any built Keras model from images to features `[N, D]` that takes floats in [0, 1], such as what
            `keras_ssl.load` returns; it must be possible to clone it for the last three defenses.
        train_images: `[N, H, W, C]`, uint8, or floats in [0, 1]. Samples labeled -1 are left out, here and below.
        train_labels: integers or strings `[N]`.
        test_images: `[M, H, W, C]`.
        test_labels: `[M]`.
        attacks: any of "noise", "perturbation", "patch". Defaults to all.
        defenses: any of those above. Defaults to `("none",)`.
        surrogate: images that the attacks are made from, at least 2. Defaults to None: the training images.
        epsilon: largest change of a value by a perturbation. Defaults to 10 / 255, the paper's.
        patch_share: share of the image that a patch covers. Defaults to 0.03, the paper's.
        attack_epochs: passes of an attack over the surrogate images. Defaults to 5.
        noise: standard deviation of the corruption, 0 or more. Defaults to 0.05.
        pruned_share: from 0 to 1. Defaults to 0.3.
        epochs: passes of fine-tuning over the training images. Defaults to 5.
        learning_rate: of fine-tuning, by Adam; falls to 0 by half a cosine. Defaults to 1e-3.
        batch_size: of fine-tuning. Defaults to 64.
        attack_options: more arguments of `AdvEncoder`, such as `radius`. Defaults to None.
        seed: of attacks, noise and fine-tuning. Defaults to 0.

    Returns:
        A `RobustnessRow` for each attack and defense, attack by attack.

    Raises:
        ValueError: if a name is unknown, images are no such batch, or an argument is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Flatten()])
    >>> labels = np.repeat([0, 1], 8)
    >>> images = np.ones((16, 4, 4, 1)) * np.where(labels, 0.7, 0.3)[:, None, None, None]
    >>> rows = robustness_report(model, images, labels, images, labels, attacks=["noise"])
    >>> rows[0].attack, rows[0].clean
    ('noise', 1.0)

    Reference: Zhou et al., "Downstream-agnostic Adversarial Examples", ICCV 2023, arXiv 2307.12280.
    """
    _check_names("attacks", attacks, ATTACKS)
    _check_names("defenses", defenses, DEFENSES)
    check_number("noise", noise, 0.0)
    check_number("pruned_share", pruned_share, 0.0, 1.0)
    check_number("learning_rate", learning_rate, 0.0, above=True)
    check_epsilon(epsilon)
    epochs, batch_size = check_integer("epochs", epochs, 1), check_integer("batch_size", batch_size, 1)
    seed = check_integer("seed", seed, 0)
    x, labels = labeled_only("train_images", _pixels("train_images", train_images), "train_labels", train_labels)
    test, truth = labeled_only("test_images", _pixels("test_images", test_images), "test_labels", test_labels)
    known = x if surrogate is None else _pixels("surrogate", surrogate)

    def probe(encoder: keras.Model) -> Classifier:
        features = extract_features(encoder, x)
        return lambda images: linear_predict(features, labels, extract_features(encoder, images))

    def tuned(attack: Any) -> Classifier:
        classes, numbers = np.unique(labels, return_inverse=True)
        with warnings.catch_warnings():
            # That floats must lie in [0, 1]: they do.
            warnings.filterwarnings("ignore", message="The model is called on an Input of floats")
            classifier = finetuned_classifier(
                features_model(model, "float32"),
                x,
                numbers.astype("int32"),
                len(classes),
                pretrained=True,
                dtype="float32",
                epochs=epochs,
                batch_size=min(batch_size, len(x)),
                learning_rate=learning_rate,
                seed=seed,
                attack=attack,
            )
        return lambda images: classes[extract_features(classifier, images).argmax(axis=1)]

    made = {
        name: _attack(name, model, known, epsilon, patch_share, attack_epochs, attack_options, seed)
        for name in dict.fromkeys(attacks)
    }
    makers: dict[str, Callable[[], Classifier]] = {
        "none": cache(lambda: probe(model)),
        "pruning": lambda: probe(_pruned(model, pruned_share)),
        "fine_tuning": lambda: tuned(None),
        "adversarial_training": lambda: tuned(lambda f: MarginAttack(f, epsilon, steps=3, seed=seed)),
    }
    makers["corruption"] = makers["none"]
    tested = {name: makers[name]() for name in dict.fromkeys(defenses)}
    corrupted = _corruption(test.shape, noise, seed)
    clean = {name: f(corrupted(test) if name == "corruption" else test) for name, f in tested.items()}
    rows = []
    for name, attack in made.items():
        moved = attack(test)
        for defense, classify in tested.items():
            found = classify(corrupted(moved) if defense == "corruption" else moved)
            right, left = (float(np.mean(part == truth)) for part in (clean[defense], found))
            rows.append(RobustnessRow(name, defense, right, left, fooling_rate(clean[defense], found)))
    return rows


def _check_names(argument: str, names: Any, known: tuple[str, ...]) -> None:
    if isinstance(names, str) or not len(names) or not set(names) <= set(known):
        raise ValueError(f"`{argument}` must be some of {', '.join(known)}. Received: {argument}={names!r}")


def _pixels(name: str, images: Any) -> np.ndarray:
    """Images as float32 in [0, 1]."""
    array = as_images(name, images)
    if array.ndim != 4:
        raise ValueError(f"`{name}` must be images [N, H, W, C]. Received: {name}.shape={array.shape}")
    if array.dtype == np.uint8:
        return (array / 255.0).astype(np.float32)
    if array.dtype.kind != "f" or array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"`{name}` must be uint8, or floats in [0, 1]. "
            f"Received: {name} of type {array.dtype}, from {array.min()} to {array.max()}"
        )
    return array.astype(np.float32)


def _attack(
    name: str,
    model: keras.Model,
    images: np.ndarray,
    epsilon: float,
    share: float,
    epochs: int,
    options: dict[str, Any] | None,
    seed: int,
) -> Callable[[np.ndarray], np.ndarray]:
    if name == "noise":
        signs = np.random.default_rng(seed).choice([-epsilon, epsilon], size=images.shape[1:])
        return UniversalPerturbation(signs, epsilon)
    chosen: dict[str, Any] = {"seed": seed, **(options or {})}
    if name == "patch":
        chosen = {"adversarial_weight": 5.0, "patch_share": share, **chosen}
    return AdvEncoder(model, epsilon, **chosen).fit(images, epochs=epochs)


def _corruption(shape: tuple[int, ...], noise: float, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Adds noise to images of a shape, the same to clean and attacked ones."""
    added = np.random.default_rng([seed, 1]).normal(0.0, noise, size=shape).astype(np.float32) if noise else 0.0
    return lambda images: np.clip(images + added, 0.0, 1.0).astype(np.float32)


def _pruned(model: keras.Model, share: float) -> keras.Model:
    """A copy of which each kernel lacks its smallest entries."""
    features = features_model(model, "float32")
    copy = keras.models.clone_model(features)
    copy.set_weights([pruned_kernel(weight, share) for weight in features.get_weights()])
    return copy


def pruned_kernel(kernel: np.ndarray, share: float) -> np.ndarray:
    """A weight whose `floor(share * size)` entries of least size are 0; of one axis (biases, scales), as it is."""
    kernel = np.asarray(kernel)
    count = int(share * kernel.size)
    if kernel.ndim < 2 or not count:
        return kernel
    flat = kernel.ravel().copy()
    flat[np.argsort(np.abs(flat), kind="stable")[:count]] = 0
    return flat.reshape(kernel.shape)
