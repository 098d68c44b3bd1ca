"""Files of training runs, laid out as their authors' are, and what a step of each gives on drawn images and masks."""

import numpy as np
import torch

from tests.parity import torch_runs
from tests.parity.draw import draw

SMALL = {"width": 16, "depth": 2, "heads": 2, "patch": 4, "side": 16}
PATCHES = 16


def drawn(model, seed=0):
    """The model with weights that follow from their names; directions keep the length 1."""
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({key: torch.from_numpy(draw(key, shape, seed)) for key, shape in shapes.items()})
    for module in model.modules():
        if hasattr(module, "weight_g"):
            module.weight_g.data.fill_(1.0)
        if hasattr(module, "fix"):
            module.fix()
    return model.eval()


def chosen(draws, count):
    """Numbers of `count` patches of two images, in order."""
    return np.sort(np.stack([draws.permutation(PATCHES)[:count] for _ in range(2)]), axis=1).astype("int32")


def pictures(draws, side=16):
    return draws.standard_normal((2, side, side, 3)).astype("float32")


def tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def module(model):
    """The names of a model that was trained in parallel."""
    return {f"module.{key}": value for key, value in model.state_dict().items()}


def optimizer(model):
    """What an optimizer remembers."""
    return torch.optim.AdamW(model.parameters(), 1e-3).state_dict()


def mae(draws):
    model = drawn(torch_runs.MAE(**SMALL, offset=0.0))
    images, keep = pictures(draws), chosen(draws, 4)
    loss = model.loss(tensor(images), torch.from_numpy(keep).long())
    return {"model": model.state_dict(), "optimizer": optimizer(model), "epoch": 3}, {
        "images": images,
        "keep": keep,
        "loss": loss,
    }


def ijepa(draws):
    vit = {**SMALL, "class_token": False, "offset": 0.0}
    encoder, teacher = (drawn(torch_runs.Tokens(**vit), seed) for seed in (0, 1))
    predictor = drawn(torch_runs.Predictor(16, 4))
    images, context, targets = pictures(draws), chosen(draws, 6), np.stack([chosen(draws, 4) for _ in range(3)], 1)
    loss = torch_runs.ijepa_loss(
        encoder,
        predictor,
        teacher,
        tensor(images),
        torch.from_numpy(context).long(),
        torch.from_numpy(targets).long(),
    )
    tree = {
        "encoder": module(encoder),
        "predictor": module(predictor),
        "target_encoder": module(teacher),
        "opt": optimizer(encoder),
        "scaler": None,
        "loss": 0.3,
    }
    return tree, {"images": images, "context": context, "targets": targets, "loss": loss}


def _centers(draws, count):
    return [torch.from_numpy(draws.standard_normal(9).astype("float32")) for _ in range(count)]


def dino(draws):
    student, teacher = drawn(torch_runs.Network(**SMALL)), drawn(torch_runs.Network(**SMALL), 1)
    (center,) = _centers(draws, 1)
    crops = [pictures(draws) for _ in range(2)] + [pictures(draws, 8)]
    loss = torch_runs.dino_loss(student, teacher, center, [tensor(crop) for crop in crops], 2, 0.05)
    tree = {
        "student": module(student),
        "teacher": teacher.state_dict(),
        "optimizer": optimizer(student),
        "dino_loss": {"center": center[None]},
        "epoch": 4,
    }
    return tree, {**{f"crop{number}": crop for number, crop in enumerate(crops)}, "loss": loss}


def ibot(draws):
    student = drawn(torch_runs.Network(masked=True, twice=True, **SMALL))
    teacher = drawn(torch_runs.Network(twice=True, **SMALL), 1)
    center, center2 = _centers(draws, 2)
    crops = [pictures(draws) for _ in range(2)]
    places = np.stack([chosen(draws, 5) for _ in crops])
    hidden = np.zeros((2, 2, PATCHES), "float32")
    np.put_along_axis(hidden, places.astype("int64"), 1.0, axis=2)
    hidden[1, 1] = 0.0  # one crop of one image is not masked
    masks = [torch.from_numpy(mask) for mask in hidden]
    loss = torch_runs.ibot_loss(student, teacher, center, center2, [tensor(crop) for crop in crops], masks, 0.05)
    tree = {
        "student": module(student),
        "teacher": teacher.state_dict(),
        "optimizer": optimizer(student),
        "ibot_loss": {"center": center[None], "center2": center2[None, None]},
    }
    arrays = {"crop0": crops[0], "crop1": crops[1], "places": places, "hidden": hidden, "loss": loss}
    return tree, arrays


RUNS = {"MAE": mae, "IJEPA": ijepa, "DINO": dino, "IBOT": ibot}


def write_runs(folder):
    """For each objective a file, and beside it what a step is given and its loss."""
    for name, make in RUNS.items():
        tree, arrays = make(np.random.default_rng(7))
        torch.save(tree, folder / f"run_{name}.pth")
        loss = arrays.pop("loss").detach().numpy()
        np.savez(folder / f"run_{name}.npz", loss=loss, **arrays)
