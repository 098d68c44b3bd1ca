"""Do measures without labels tell which run is best? `python benchmarks/rank_checkpoints.py`.

Trains Barlow Twins on the embedded data with different weights of redundancy, projectors and numbers of epochs, and
prints the Spearman rank correlation of RankMe, LiDAR, alpha-ReQ and the training loss with the accuracy of a linear
probe. Runs are kept in benchmarks/results/rank_checkpoints.json, so an interrupted sweep goes on where it stopped; the
table goes beside it, as rank_checkpoints.md. About nine minutes of CPU time. TensorFlow backend.
"""

import json
import platform
from pathlib import Path
from typing import Any

from _runs import key_of, on_all_cores, rounded, run_apart
from absl import app, flags

OUTPUT = flags.DEFINE_string("output", "benchmarks/results/rank_checkpoints.json", "Results, read and written.")
EPOCHS = flags.DEFINE_list("epochs", ["24", "6"], "Numbers of epochs; the sweep has seven runs of each.")
IMAGES = flags.DEFINE_integer("images", 6000, "Training images.", lower_bound=256)
WORKER = flags.DEFINE_string("worker", None, "Internal: the recipe to train in this process, as TOML.")

# Redundancy weight and projector: each alone and together with the other; every number of epochs has all of them.
SETTINGS = [(0.02, 256), (0.0005, 256), (0.5, 256), (0.02, 32), (0.02, 1024), (0.0005, 1024), (0.5, 32)]
# What each measure says of a run, higher meaning better.
SCORES = {
    "RankMe": lambda run: run["rankme"],
    "LiDAR": lambda run: run["lidar"],
    "alpha-ReQ, nearness to 1": lambda run: -abs(run["alpha_req"] - 1),
    "training loss, lower is better": lambda run: -run["loss"],
}


def train(text: str) -> None:
    """Trains by a recipe and prints what came of it, as JSON."""
    import tomllib

    import keras_ssl
    from keras_ssl import evaluation

    recipe = keras_ssl.Recipe(tomllib.loads(text))
    training = recipe.sections["training"]
    x, y = keras_ssl.data.colored_digits("train", count=recipe.sections["data"]["count"], size=16)
    x_test, y_test = keras_ssl.data.colored_digits("test", size=16)
    model = recipe.build_model()
    model.compile(recipe.build_optimizer(len(x) // training["batch_size"]), jit_compile=False)
    history = model.fit(x, batch_size=training["batch_size"], epochs=training["epochs"], verbose=0).history
    features = evaluation.extract_features(model, x)
    # As rank_checkpoints measures them, of the training images.
    print(
        json.dumps(
            {
                "rankme": evaluation.rankme(features[:2000]),
                "lidar": evaluation.lidar(*evaluation.view_features(model, x[:500], views=10)),
                "alpha_req": evaluation.alpha_req(features[:2000]),
                "loss": history["loss"][-1],
                "linear": evaluation.linear_probe(features, y, evaluation.extract_features(model, x_test), y_test),
            }
        )
    )


def correlations(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Spearman's rank correlation of each score with the accuracy of the probe."""
    from scipy.stats import spearmanr

    accuracy = [run["linear"] for run in runs]
    return {name: float(spearmanr([score(run) for run in runs], accuracy)[0]) for name, score in SCORES.items()}


def document(runs: dict[str, dict[str, Any]]) -> str:
    """The correlations and the runs, best probe first, as markdown."""
    measured = list(runs.values())
    groups = {"all": measured} | {
        f"{epochs} epochs": [run for run in measured if run["epochs"] == epochs] for epochs in map(int, EPOCHS.value)
    }
    groups = {f"{name} ({len(group)} runs)": group for name, group in groups.items() if len(group) > 2}
    by_group = {name: correlations(group) for name, group in groups.items()}
    lines = [
        "# Choosing a run without labels",
        "",
        f"{len(runs)} of {len(SETTINGS) * len(EPOCHS.value)} runs of Barlow Twins on {IMAGES.value:,} images of "
        f"`colored_digits` (16 pixels, features of 128 dimensions; one core of {platform.machine()}).",
        "Spearman rank correlation of each measure with the accuracy of the linear probe on the test images; 1 orders "
        "the runs as the probe does:",
        "",
        f"| measure | {' | '.join(by_group)} |",
        f"| --- |{' ---: |' * len(by_group)}",
        *(f"| {name} | {' | '.join(f'{found[name]:+.2f}' for found in by_group.values())} |" for name in SCORES),
        "",
        verdict(next(iter(by_group.values())), measured),
        "",
        "| redundancy weight | projector | epochs | probe | RankMe | LiDAR | alpha-ReQ | loss |",
        f"|{' ---: |' * 8}",
    ]
    for run in sorted(measured, key=lambda run: -run["linear"]):
        lines.append(
            f"| {run['weight']} | {run['projector']} | {run['epochs']} | {run['linear']:.1%} | {run['rankme']:.1f} "
            f"| {run['lidar']:.1f} | {run['alpha_req']:.2f} | {run['loss']:.2f} |"
        )
    command = f"python benchmarks/rank_checkpoints.py --epochs={','.join(EPOCHS.value)} --images={IMAGES.value}"
    return "\n".join([*lines, "", f"Written by `{command}`.", ""])


def verdict(found: dict[str, float], runs: list[dict[str, Any]]) -> str:
    """What the numbers say in words: the order of the measures, and what choosing by each would have cost."""
    order = sorted(found, key=lambda name: -found[name])
    best = max(run["linear"] for run in runs)
    chosen = {name: max(runs, key=score)["linear"] for name, score in SCORES.items()}
    costs = "; ".join(f"{name.split(',')[0]} {chosen[name]:.1%}" for name in order)
    means = {
        epochs: sum(run["rankme"] for run in group) / len(group)
        for epochs in sorted({run["epochs"] for run in runs})
        if (group := [run for run in runs if run["epochs"] == epochs])
    }
    trend = ", ".join(f"{mean:.1f} after {epochs} epochs" for epochs, mean in means.items())
    why = f" The mean RankMe is {trend}."
    if list(means.values()) == sorted(means.values(), reverse=True) and len(means) > 1:
        why += (
            " It falls with training while the probe rises: an encoder that has hardly learnt spreads its features "
            "more evenly. So it can order runs of one length and not runs of different lengths."
        )
    return (
        why.strip()
        + " "
        + (
            f"Best is {order[0].split(',')[0]}, then {', '.join(name.split(',')[0] for name in order[1:])}. "
            f"The run that each would choose has a probe accuracy of: {costs} (the best run: {best:.1%})."
        )
    )


def recipe_text(weight: float, projector: int, epochs: int) -> str:
    """The recipe of a run."""
    import keras_ssl

    recipe = keras_ssl.Recipe.read("barlow_twins_digits").override(
        f"objective.redundancy_weight={weight}",
        f"objective.projector=[{projector}, {projector}]",
        f"training.epochs={epochs}",
        f"schedule.warmup_epochs={min(2, epochs // 2)}",
        f"data.count={IMAGES.value}",
    )
    return recipe.text()


def main(_: list[str]) -> None:
    if WORKER.value is not None:
        train(WORKER.value)
        return
    import keras_ssl

    path = Path(OUTPUT.value)
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    recipes = {
        f"weight {weight}, projector {projector}, epochs {epochs}": (weight, projector, epochs)
        for epochs in map(int, EPOCHS.value)
        for weight, projector in SETTINGS
    }
    texts = {name: recipe_text(*settings) for name, settings in recipes.items()}
    keys = {name: key_of(text, keras_ssl.__version__) for name, text in texts.items()}
    runs = {name: kept[name] for name in recipes if kept.get(name, {}).get("key") == keys[name]}

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(sorted(runs.items())), indent=2) + "\n", encoding="utf-8")
        if len(runs) > 2:
            path.with_suffix(".md").write_text(document(runs), encoding="utf-8")

    def run(name: str, core: int) -> None:
        settings = dict(zip(("weight", "projector", "epochs"), recipes[name], strict=True))
        runs[name] = {"key": keys[name]} | settings | rounded(run_apart(__file__, texts[name], core))
        print(name, runs[name], flush=True)
        write()

    on_all_cores(run, [(name,) for name in recipes if name not in runs])
    write()
    print(document(runs))


if __name__ == "__main__":
    app.run(main)
