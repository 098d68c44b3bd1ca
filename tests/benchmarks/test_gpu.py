import importlib
import sys

import keras
import pytest

FAKE = """
import time

def ours(encoder, steps, small=False):
    return lambda: time.sleep(0.05) or {"flops_per_image": 1e6, "device": "card", "device_peak_mb": 3.0}, 100

def peer(encoder, steps, small=False):
    def run():
        if encoder == "vit_s16":
            raise RuntimeError("no memory")
        time.sleep(0.2)
        return {"device": "card", "device_peak_mb": 4.0}

    return run, 100

def products(side, repeats):
    return lambda: time.sleep(0.01) or {"device": "card"}, 1e6
"""


def run(script, tmp_path, *arguments):
    output = tmp_path / "gpu.md"
    module = script("gpu", f"--output={output}", f"--torch_python={sys.executable}", *arguments)
    return module, output


def cells(output, encoder):
    lines = output.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if f"| {encoder} |" in line]


def test_without_a_gpu_the_table_says_so(script, tmp_path, monkeypatch):
    module, output = run(script, tmp_path)
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    module.main([])
    for encoder in ("resnet18", "resnet50", "vit_s16"):
        assert "not measured: no GPU here" in cells(output, encoder)[0][1]


def test_the_table_of_a_run(script, tmp_path, monkeypatch):
    (tmp_path / "fake_jobs.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module, output = run(script, tmp_path, "--small", "--rounds=2", "--only=18|vit")
    jobs = {"gpu_ours:train": "ours", "gpu_torch:compiled": "peer", "gpu_torch:stock": "peer"}
    make = module.Job

    def fake_job(python, factory, options, environment):
        return make(python, f"fake_jobs:{jobs.get(factory, 'products')}", options, environment)

    monkeypatch.setattr(module, "Job", fake_job)
    module.main([])
    ours, compiled, stock = cells(output, "resnet18")
    rate = float(ours[2].replace(",", ""))
    assert 1000 < rate <= 2000  # 100 images in 0.05 s
    assert float(compiled[6]) == pytest.approx(4.0, rel=0.4) and compiled[8] == "yes"
    assert float(stock[6]) < 5 and stock[8] == "no"
    assert ours[5] == "3" and stock[5] == "4"
    assert "no memory" in cells(output, "vit_s16")[0][1]
    assert not cells(output, "resnet50")


@pytest.mark.parametrize(("name", "gigaflops"), [("resnet50", 4.09), ("vit_s16", 4.6)])
def test_operations_are_those_that_the_papers_count(name, gigaflops):
    if keras.backend.backend() != "jax":
        pytest.skip("the job runs on JAX")
    ours = importlib.import_module("gpu_ours")
    policy = keras.config.dtype_policy()
    try:
        model = ours.model_of(name, 224, [8])
    finally:
        keras.config.set_dtype_policy(policy)
    # Two operations a multiplication, two views, and three passes.
    assert ours.product_flops(model) / 12 / 1e9 == pytest.approx(gigaflops, rel=0.01)
