import pytest

from keras_ssl.schedules import OneEpochBudget
from tests.schedules.curves import assert_refused


@pytest.mark.parametrize("compute", [1.0, 5e12, 1e21, 1e300])
@pytest.mark.parametrize("ratio", [5.0, 20.0, 0.1])
def test_product_is_the_compute_and_ratio_the_requested_one(compute, ratio):
    budget = OneEpochBudget(compute, ratio)
    assert budget.parameters * budget.tokens == pytest.approx(compute, rel=1e-12)
    assert budget.tokens / budget.parameters == pytest.approx(ratio, rel=1e-12)


def test_grows_with_the_budget_and_the_default_ratio_is_five():
    budgets = [OneEpochBudget(compute) for compute in (1e3, 1e6, 1e6 + 1, 1e9)]
    for smaller, larger in zip(budgets, budgets[1:], strict=False):
        assert smaller.parameters < larger.parameters and smaller.tokens < larger.tokens
    assert budgets[0].tokens == pytest.approx(5.0 * budgets[0].parameters)


def test_steps_and_epochs():
    budget = OneEpochBudget(5e12)
    assert budget.steps(50_000) == 100 and budget.steps(49_999) == 101 and budget.steps(10**9) == 1
    assert budget.epochs(5e6) == pytest.approx(1.0) and budget.epochs(5e5) == pytest.approx(10.0)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["compute", "ratio"])
def test_rejects_values_out_of_range(name, value):
    assert_refused(lambda **more: OneEpochBudget(**({"compute": 1e6} | more)), **{name: value})


def test_rejects_batches_and_data_of_nothing():
    assert_refused(OneEpochBudget(1e6).steps, batch_tokens=0)
    assert_refused(OneEpochBudget(1e6).epochs, available_tokens=0.0)
