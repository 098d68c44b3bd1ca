"""Recipes name the schedules: they are given peak, total steps and warm-up, and the rest by keys of their own."""

import pytest

from keras_ssl import Recipe

STEPS = 4  # of an epoch


@pytest.mark.parametrize(
    ("name", "settings", "after_warmup", "end"),
    [
        ("LinearDecay", (), 0.002, 0.0),
        ("WarmupStableDecay", ("schedule.decay_steps=20",), 0.002, 0.0),
        ("InverseSquareRoot", (), 0.002, 0.002 * (8 / 160) ** 0.5),
        ("RepeatedCosineDecay", ("schedule.cycle_steps=40",), 0.002, 0.0),
        ("RewarmRedecaySchedule", ("schedule.phase_steps=[60, 100]",), 0.002, 0.0),
        (
            "InfiniteLearningRate",
            ("schedule.constant=1e-3", "schedule.cooldown_steps=30", "schedule.anneal_steps=20"),
            0.002,
            1e-5,
        ),
    ],
)
def test_recipes_build_them(name, settings, after_warmup, end):
    recipe = Recipe.read("simclr_digits").override(f"schedule.name={name!r}", "schedule.warmup_epochs=2", *settings)
    optimizer = recipe.build_optimizer(STEPS)
    schedule = optimizer._learning_rate
    assert type(schedule).__name__ == name
    assert float(schedule(2 * STEPS)) == pytest.approx(after_warmup)
    assert float(schedule(40 * STEPS)) == pytest.approx(end, abs=1e-9)
