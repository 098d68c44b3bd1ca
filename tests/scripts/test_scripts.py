"""The scripts, run as a user runs them, from another folder, at tiny size."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl
from tests.forking import SCRIPTS, run_repeatedly, run_script
from tests.report.pages import parsed

COMMANDS = Path(keras_ssl.__file__).parent / "cli"
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
TINY = [
    "--recipe=simclr_digits",
    "--epochs=3",
    "--verbose=0",
    "--set=data.count=100",
    "--set=training.batch_size=16",
    "--set=encoder.widths=[4, 8]",
    "--set=objective.projector=[8, 4]",
    "--set=views.name=pipeline",
    '--set=views.ops=[{name="RandomFlip"}]',  # little to compile
]


def run(*command, cwd, backend=None):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["KERAS_BACKEND"] = backend or keras.backend.backend()
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A finished run in `run`, its export in `entry`, and what the script said in `said.txt`."""
    folder = tmp_path_factory.mktemp("workplace")
    said = run(SCRIPTS / "pretrain.py", *TINY, "--logdir=run", "--export=entry", "--knn_every=2", cwd=folder)
    (folder / "said.txt").write_text(said)
    return folder


@pytest.mark.slow
def test_pretrain_leaves_logs_recipe_weights_and_results(workplace):
    run_folder = workplace / "run"
    names = {path.name for path in run_folder.iterdir()}
    assert {"recipe.toml", "model.weights.h5", "history.json", "results.json"} <= names
    assert not [name for name in names if name.startswith(".")]
    assert list(run_folder.glob("events.*")) and (run_folder / "projector_config.pbtxt").exists()
    history = json.loads((run_folder / "history.json").read_text())
    told = {"findings", "loss_at_chance", "loss_floor"}
    measured = {"loss", "embedding_std", "gradient_norm", "knn_accuracy", "images_per_second"}
    assert measured | told == set(history)
    assert history["knn_accuracy"][0] is None  # a value's place is its epoch
    assert all(len(values) == 3 and np.isfinite(values[1:]).all() for values in history.values())
    results = json.loads((run_folder / "results.json").read_text())
    assert results["knn_accuracy"] == history["knn_accuracy"][-1] and results["seconds"] > 0


@pytest.mark.slow
def test_pretrain_prints_and_keeps_the_resolved_recipe(workplace):
    recipe = keras_ssl.Recipe.read(workplace / "run" / "recipe.toml")
    assert recipe.text().strip() in (workplace / "said.txt").read_text()
    assert recipe.sections["training"]["epochs"] == 3 and recipe.sections["encoder"]["widths"] == [4, 8]


@pytest.mark.slow
def test_pretrain_exports(workplace):
    card = keras_ssl.hub.Card.read(workplace / "entry" / "card.toml")
    assert card.data == "colored_digits" and card.recipe["objective"]["name"] == "SimCLR"
    assert card.results["knn_accuracy"] == json.loads((workplace / "run" / "results.json").read_text())["knn_accuracy"]
    assert card.saved_model is ON_TENSORFLOW
    model = keras_ssl.Recipe.read(workplace / "run" / "recipe.toml").build_model()
    model.load_weights(workplace / "run" / "model.weights.h5")
    images = keras_ssl.data.colored_digits("test", count=9)[0]
    np.testing.assert_allclose(
        keras_ssl.load(workplace / "entry").predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.skipif(ON_TENSORFLOW, reason="says more of a run on JAX")
def test_export_of_a_run_on_tensorflow_is_the_same_and_has_a_saved_model(workplace):
    flags = ["--logdir=run", "--output=again", "--description=Tiny.", "--license=MIT"]
    run(SCRIPTS / "export.py", *flags, cwd=workplace, backend="tensorflow")
    again, entry = (keras_ssl.hub.Card.read(workplace / name / "card.toml") for name in ("again", "entry"))
    assert again.weight_files == entry.weight_files  # size and hash too, whatever the backend of the run
    assert (again.recipe, again.results, again.data) == (entry.recipe, entry.results, entry.data)
    assert again.saved_model and (workplace / "again" / "saved_model.pb").is_file()
    assert again.description == "Tiny." and again.license == "MIT"


@pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long
def test_evaluate_writes_a_table_and_json(workplace):
    """Every protocol, on data large enough for few-shot episodes."""
    (x, y), (x_test, y_test) = (keras_ssl.data.colored_digits(split, count=300) for split in ("train", "test"))
    np.savez(workplace / "more.npz", x=x, y=y, x_test=x_test, y_test=y_test)
    protocols = re.findall(r'^    "(\w+)": ', (COMMANDS / "evaluate.py").read_text(), flags=re.MULTILINE)
    flags = [f"--protocols={','.join(protocols)}", "--output=e.json", "--k=5", "--seed=3", "--ways=3"]
    flags += ["--epochs=2", "--from_scratch"]
    flags += ["--report=e.html", "--logdir=run", "--query=7"]
    error, said = run_script("evaluate.py", "--model=entry", "--data=more.npz", *flags, cwd=workplace)
    assert error is None
    head, rule, row = (line.strip("| ").split(" | ") for line in said.strip().splitlines()[-3:])
    results = json.loads((workplace / "e.json").read_text())
    assert list(results) == head and len(protocols) == 24
    assert head[:5] == ["model", "data", "train", "test", "knn"]
    assert head[-5:] == ["seconds", "seed", "protocols", "command", "versions"]
    assert rule == ["---"] * 2 + ["---:"] * (len(head) - 5) + ["---"] * 3
    assert row[:4] == ["entry", "more.npz", "300", "300"] and row[4] == f"{results['knn']:.4f}"
    assert row[-4:-2] == ["3", ",".join(protocols)] and row[-2] == results["command"]
    assert results["command"].endswith("evaluate.py --model=entry --data=more.npz " + " ".join(flags))
    assert results["versions"]["keras"] == keras.__version__ and f"keras {keras.__version__}" in row[-1]
    further = {"map", "recall@1", "recall@5", "recall@10", "linear_grid_regularization"}
    further |= {f"finetune_{share}_scratch" for share in (1, 10, 100)} | {"knn_balanced", "linear_balanced"}
    further |= {"knn_ece", "linear_ece", "few_shot_interval", "transductive_interval"}
    assert set(head[4:-5]) == {*protocols, *further} - {"retrieval", "calibration"}
    assert all(np.isfinite(results[name]) for name in head[4:-5])

    page = parsed((workplace / "e.html").read_text().removeprefix("<!doctype html>"))
    cells = {cell.attributes["data-name"]: cell for cell in page.one(id="results").all("td", data_name=True)}
    assert {name: json.loads(cell.attributes["data-value"]) for name, cell in cells.items()} == {
        name: results[name] for name in ("train", "test", *head[4:-5], "seconds")
    }
    assert page.one("h1").text == "entry on more.npz" and results["command"] in page.one(id="results").text
    assert f"{round(300 * results['knn'])} of 300 right" in page.one(id="classes").text
    history = json.loads((workplace / "run" / "history.json").read_text())
    assert all(any(text.text.startswith(name) for text in page.one(id="curves").all("text")) for name in history)
    assert [strip.one("figure", class_="query").one("span").text for strip in page.all(class_="strip")] == ["no. 7"]

    model = keras_ssl.load(workplace / "entry")
    train, test = (keras_ssl.evaluation.extract_features(model, images) for images in (x, x_test))
    knn = keras_ssl.evaluation.knn_accuracy(train, y, test, y_test, k=5)
    assert results["knn"] == pytest.approx(knn, abs=0.011)  # a few images of 300 may lie on an edge
    means = keras_ssl.evaluation.NearestMeanClassifier().fit(train, y)
    assert results["nearest_mean"] == pytest.approx(means.score(test, y_test), abs=0.011)
    assert results["rankme"] == pytest.approx(keras_ssl.evaluation.rankme(train), rel=1e-3)


@pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long
def test_rank_orders_runs_and_names_those_it_leaves_out(workplace, tmp_path):
    for name in ("run", "entry"):
        (tmp_path / name).symlink_to(workplace / name)
    (tmp_path / "half").mkdir()
    np.savez(tmp_path / "images.npz", x=keras_ssl.data.colored_digits("test", count=60)[0])
    cases = [
        ["--logdir=.", "--lidar_samples=0"],
        ["--logdir=run", "--data=images.npz", "--lidar_samples=0"],
        ["--logdir=.", "--lidar_samples=0", "--strict"],
        ["--logdir=nowhere"],
    ]
    (fine, table), (_, own), (strict, _), (nowhere, _) = run_repeatedly("rank.py", *cases, cwd=tmp_path)
    head, _, *rows = (line.strip("| ").split(" | ") for line in table.strip().splitlines())
    assert fine is None and head == ["path", "rankme", "lidar", "alpha_req", "loss", "dimension"]
    loss = json.loads((workplace / "run" / "results.json").read_text())["loss"]
    assert [row[0] for row in rows] == ["entry", "run"] and rows[0][1] == rows[1][1]
    assert rows[1][4] == f"{loss:.4f}" == rows[0][4]
    assert own.splitlines()[-1].split(" | ")[1] != rows[1][1]  # other images
    assert "recipe.toml or a card.toml" in strict and "'nowhere'" in nowhere


@pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long
def test_mistakes_are_one_line_before_any_work(workplace, tmp_path):
    (tmp_path / "file").write_text("in the way")
    images = keras_ssl.data.colored_digits("train", count=40)[0]
    np.savez(tmp_path / "gray.npz", x=images[..., :1])
    np.savez(tmp_path / "unlabeled.npz", x=images)
    before = sorted(path.name for path in tmp_path.iterdir())
    mistakes = {
        "Closest: simclr_digits": ["--recipe=simclr_digit"],
        "SimCLR has no setting 'tau'; [objective] knows projector, temperature": ["--set=objective.tau=3"],
        "A setting has the form section.key=value. Received: 'optimizer'": ["--set=optimizer"],
        "Received: data='nowhere'": ["--data=nowhere"],
        "`x` must have 3 channels": ["--data=gray.npz"],
        "--logdir: ": ["--logdir=file/run"],
        "--export exists already": ["--export=file"],
        "--export: ": ["--export=file/entry"],
        "--logdir holds a finished run": [f"--logdir={workplace / 'run'}"],
    }
    tiny = [flag for flag in TINY if "data.count" not in flag] + ["--logdir=run"]
    # Last, what is no mistake: arrays without labels, without the doctor and with.
    fine = [["--data=unlabeled.npz", "--nodoctor"], ["--data=unlabeled.npz", "--overwrite", "--verbose=1"]]
    cases = [[*tiny, *flags] for flags in [*mistakes.values(), *fine]]
    *ends, (error, alone), (_, said) = run_repeatedly("pretrain.py", *cases, cwd=tmp_path)
    assert "loss_at_chance" not in alone and "SimCLR, the loss to expect: chance " in said
    assert re.search(r"loss: \d.* loss_at_chance: \d.* loss_floor: \d", said)  # in the progress bar
    for (line, _), message in zip(ends, mistakes, strict=True):
        assert line is not None and "error: " in line and message in line and "Received: " in line
        assert "\n" not in line
    assert error is None and "kNN accuracy is not measured" in said
    assert "knn_accuracy" not in json.loads((tmp_path / "run" / "results.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == [*before[:2], "run", *before[2:]]


@pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long
def test_mistakes_in_evaluation_and_export_are_one_line_too(workplace, tmp_path):
    model = f"--model={workplace / 'entry'}"
    unlabeled = [model, "--data=unlabeled.npz", "--protocols=rankme"]
    np.savez(tmp_path / "unlabeled.npz", x=keras_ssl.data.colored_digits("train", count=40)[0])
    mistakes = {
        "No pretrained encoder has this name": ["--model=nothing"],
        "Received: --protocols=knm": [model, "--protocols=knm"],
        "--protocols=knn needs labels": [model, "--data=unlabeled.npz", "--protocols=knn,rankme"],
        "Received: data='nowhere'": [model, "--data=nowhere"],
        "--output: ": [model, "--output=unlabeled.npz/e.json"],
        "--report: ": [model, "--report=unlabeled.npz/e.html"],
        "--logdir and --query are for the report": [model, "--query=1"],
        "holds neither history.json nor": [model, f"--report={tmp_path / 'e.html'}", f"--logdir={tmp_path}"],
        "`queries` must be numbers below 40": [*unlabeled, f"--report={tmp_path / 'e.html'}", "--query=40"],
    }
    fine = [*unlabeled, f"--report={workplace / 'unlabeled.html'}"]
    *ends, (error, said) = run_repeatedly("evaluate.py", *mistakes.values(), fine, cwd=tmp_path)
    for (line, _), message in zip(ends, mistakes, strict=True):
        assert line is not None and "error: " in line and message in line and "Received: " in line
    assert error is None and "| rankme |" in said
    page = parsed((workplace / "unlabeled.html").read_text().removeprefix("<!doctype html>"))
    assert "needs labels" in page.one(id="classes").text and len(list(page.all(class_="strip"))) == 8

    mistakes = {
        "recipe.toml, which is missing": [f"--logdir={tmp_path}", "--output=x"],
        "--output exists already": [f"--logdir={workplace / 'run'}", f"--output={workplace / 'entry'}"],
    }
    for (line, _), message in zip(run_repeatedly("export.py", *mistakes.values(), cwd=tmp_path), mistakes, strict=True):
        assert line is not None and "error: " in line and message in line and "Received: " in line
    assert [path.name for path in tmp_path.iterdir()] == ["unlabeled.npz"]


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
def test_help_says_what_every_flag_is(tmp_path):
    scripts = ["pretrain.py", "evaluate.py", "export.py", "convert.py", "rank.py", "zoo.py"]
    for script in scripts:
        _, said = run_script(script, "--help", cwd=tmp_path)
        command = script.removesuffix(".py")
        assert f"keras-ssl {command} " in said
        names = re.findall(r'flags.DEFINE_\w+\(\s*"(\w+)"', (COMMANDS / script).read_text())
        assert len(names) > 5
        for name in names:
            assert f"--{name}:" in said or f"--[no]{name}:" in said
