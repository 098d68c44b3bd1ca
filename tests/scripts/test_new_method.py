"""`make new` writes three files that are found, train, and whose tests fail until they are filled."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.snake_case import snake_case

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.once


def run(root, method="FooBar", family="masked"):
    command = [sys.executable, ROOT / "scripts" / "new_method.py", f"--method={method}", f"--family={family}"]
    return subprocess.run([*command, f"--root={root}"], capture_output=True, text=True, timeout=120)


def test_three_files_that_parse_and_whose_test_fails(tmp_path):
    done = run(tmp_path, "HTTPFooBar")
    assert done.returncode == 0 and len(done.stdout.split()) == 3
    method, recipe, test = (tmp_path / name for name in done.stdout.split())
    assert method.name == "http_foo_bar.py" and recipe.name == "http_foo_bar_digits.toml"
    assert "class HTTPFooBar(SSLModel)" in method.read_text() and 'extends = "digits"' in recipe.read_text()
    for path in (method, test):
        compile(path.read_text(), str(path), "exec")
    assert "NotImplementedError" in test.read_text() and test.read_text().count("pytest.fail") == 2


def test_nothing_is_overwritten_and_names_are_checked(tmp_path):
    assert run(tmp_path).returncode == 0
    again = run(tmp_path)
    assert again.returncode == 1 and "there already" in again.stderr
    assert "Received: --method=foo" in run(tmp_path, "foo").stderr
    assert "Received: --family=Masked" in run(tmp_path, "FooBaz", "Masked").stderr


def test_a_class_of_the_name_is_not_written_twice(tmp_path):
    path = tmp_path / "keras_ssl" / "objectives" / "contrastive" / "simclr.py"
    path.parent.mkdir(parents=True)
    path.write_text("import keras\n\n\nclass SimCLR(keras.Model):\n    pass\n")
    done = run(tmp_path, "SimCLR")
    assert done.returncode == 1 and "objectives/contrastive/simclr.py. Received: --method=SimCLR" in done.stderr
    assert not (tmp_path / "zoo").exists()


@pytest.mark.slow
def test_the_method_is_registered_and_takes_a_step(tmp_path):
    run(tmp_path)
    program = (
        "import runpy, numpy; runpy.run_path('keras_ssl/objectives/masked/foo_bar.py')\n"
        "from keras_ssl.testing.tiny_model import tiny_model\n"
        "model = tiny_model('FooBar'); model.compile('sgd', run_eagerly=True)\n"
        "assert type(model)(model.encoder).views is not None\n"
        "print(model.fit(numpy.zeros((4, 16, 16, 3), 'uint8'), batch_size=4, verbose=0).history['loss'])"
    )
    program = program.replace("keras_ssl/objectives", str(tmp_path / "keras_ssl" / "objectives"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0 and "[0.0]" in done.stdout, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("FooBar", "foo_bar"),
        ("SimCLR", "sim_clr"),
        ("SimMatchV2", "sim_match_v2"),
        ("DINOv2", "dinov2"),
        ("MAE", "mae"),
    ],
)
def test_names_of_files(name, file):
    assert snake_case(name) == file
