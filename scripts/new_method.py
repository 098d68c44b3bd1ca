"""Writes the three files of a new method, to be filled: `make new METHOD=FooBar FAMILY=masked`.

The method, its recipe on the embedded digits, its test. The test fails until the method computes something.
"""

import re
from pathlib import Path

from absl import app, flags
from snake_case import snake_case  # beside this file

METHOD = flags.DEFINE_string("method", None, "Name of the class, such as FooBar.", required=True)
FAMILY = flags.DEFINE_string("family", None, "Its family: a folder of keras_ssl/objectives.", required=True)
ROOT = flags.DEFINE_string("root", str(Path(__file__).resolve().parent.parent), "The checkout to write to.")

METHOD_TEXT = '''"""{method}: one line that says what it is."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.registry import register
from keras_ssl.training import SSLModel, Step, Term
from keras_ssl.typing import Tensor


@register("objective", family="{family}", paper="https://arxiv.org/abs/")
class {method}(SSLModel):
    """{method}: what it learns from.

    The formula. Logged: `loss`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        **kwargs: `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.{method}(keras_ssl.encoders.ConvNet())
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Authors, "Title", venue, year.
    """

    scope: ClassVar[str] = "sample"
    tiny: ClassVar[dict[str, Any] | None] = {{}}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.make_views(batch, step)
        return {{f"z{{number}}": self.encoder(view, training=step.training) for number, view in enumerate(views, 1)}}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        # One value for each sample, [n]. A loss that compares samples is `objective(embeddings, step)` instead.
        return {{"distance": Term(0.0 * keras.ops.sum(embeddings["z1"], axis=1))}}
'''

RECIPE_TEXT = """# {method} on the colored digits:
# python scripts/pretrain.py --recipe={name}_digits --logdir=runs/{name}_digits
# Paper: Authors, "Title", venue, year, https://arxiv.org/abs/ (objective; the rest is chosen for small data).
extends = "digits"

[objective]
name = "{method}"

[views]
name = "colored_digits"
"""

TEST_TEXT = '''"""What {method} computes: a slow reference, a closed form, a limit, bad input."""

import keras
import numpy as np
import pytest

from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine


def reference(z1, z2):
    """Sample by sample, in float64."""
    raise NotImplementedError("write the slow reference of {method}")


def test_equals_the_reference():
    model = tiny_model("{method}")
    z = {{name: np.random.RandomState(k).normal(size=(5, 16)).astype("float32") for k, name in enumerate(("z1", "z2"))}}
    outcome = engine.reduce(model, {{k: keras.ops.convert_to_tensor(v) for k, v in z.items()}}, Step.at(5))
    assert float(outcome.loss) == pytest.approx(reference(z["z1"], z["z2"]), rel=1e-5)


def test_a_closed_form():
    pytest.fail("a case whose value is known")


def test_a_limit():
    pytest.fail("arguments for which {method} is another method")
'''


def write(root: Path, method: str, family: str) -> list[Path]:
    """Writes the files; returns their paths.

    Raises:
        ValueError: if a name is none, a class of this name or a file is there already.
    """
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", method):
        raise ValueError(f"--method must be a name like FooBar. Received: --method={method}")
    if not re.fullmatch(r"[a-z][a-z_]*", family):
        raise ValueError(f"--family must be a name like masked. Received: --family={family}")
    name = snake_case(method)
    texts = {
        root / "keras_ssl" / "objectives" / family / f"{name}.py": METHOD_TEXT,
        root / "zoo" / "recipes" / f"{name}_digits.toml": RECIPE_TEXT,
        root / "tests" / "objectives" / family / f"test_{name}.py": TEST_TEXT,
    }
    there = [str(path) for path in texts if path.exists()]
    if there:
        raise ValueError(f"A file of this name is there already. Received: {', '.join(there)}")
    taken = [path for path in (root / "keras_ssl").rglob("*.py") if f"\nclass {method}(" in path.read_text("utf-8")]
    if taken:
        raise ValueError(f"A class of this name is in {taken[0].relative_to(root)}. Received: --method={method}")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        marker = path.parent / "__init__.py"
        if path.suffix == ".py" and not marker.exists():
            marker.write_text(f'"""Objectives of the family {family}."""\n' if "keras_ssl" in path.parts else "")
        path.write_text(text.format(method=method, family=family, name=name), encoding="utf-8")
    return list(texts)


def main(_: list[str]) -> None:
    try:
        paths = write(Path(ROOT.value), METHOD.value, FAMILY.value)
    except ValueError as error:
        raise SystemExit(f"new_method.py: error: {error}") from None
    for path in paths:
        print(path.relative_to(ROOT.value))


if __name__ == "__main__":
    app.run(main)
