"""How objectives are built, as the papers and the authors' code have it: what no number of a loss shows."""

import numpy as np
import pytest

from keras_ssl.registry import find, list_methods
from keras_ssl.training import Step, engine
from tests.objectives.tiny import OBJECTIVES

pytestmark = pytest.mark.once

# One view is enough: classifiers, distillation from a teacher that sees the same view, masked images, slots.
ONE_VIEW = {
    *("DualHeadDistillation", "DualHeadOptimization", "KnowledgeDistillation", "MultiLevelDistiller"),
    *("PatchDistillation", "ProgressiveSelfDistillation", "RandomTeacherDistillation", "SelectiveSelfTargets"),
    *("ContrastiveRepresentationDistillation", "SimilarityDistillation", "TAIDDistiller", "TrilateralDistillation"),
    *("UniversalSelfKD", "VotingTeachers"),
    *("InterPatchConsistency", "Metrix", "PolicyGradientNoiseMask", "PrototypeClassifier", "PseudoLabel", "RankMixup"),
    "SelfSupervisedLabelAugmentation",
    *("CAPI", "ContractiveReconstructionAutoencoder", "CrossMAE", "Data2Vec2", "DenoisingAutoencoder", "IJEPA", "MAE"),
    *("MaskFeat", "MaskedTokenOptimization", "NEPA", "SatMAEPlusPlus", "SelfDistilledFurtherPretraining", "Selfie"),
    *("SimMIM", "TabularJEPA"),
    *("SlotAutoencoder", "SlotCycleConsistency"),
}
# Every view that the model is given takes part: several crops, or a loss of any number of views.
ALL_VIEWS = {
    *("DINO", "DINOv2", "FroSSL", "GroCo", "IBOT", "IdentityGuidedSelfDistillation", "LeJEPA", "MMCR", "MSN"),
    *("MultiViewDHEL", "MultiViewInfoNCE", "RandomTeacherDistillation", "SimDINO", "SimDINOv2", "SwAV", "VISReg"),
    "WMSE",
}
# Views of one size pass the encoder in one batch, and share its statistics.
ONE_PASS = {
    *("DINO", "DINOv2", "IBOT", "IdentityGuidedSelfDistillation", "SimDINO", "SimDINOv2", "SwAV"),  # crops
    *("FroSSL", "LeJEPA", "MMCR", "VISReg", "WMSE"),
    *("DCL", "DCLW", "HardContrastive", "HierarchicalSelfDistillation", "Hydra", "ISogCLR", "ImagePairContrastive"),
    *("MultiViewDHEL", "MultiViewInfoNCE", "ScatSimCLR", "SimCLR", "SogCLR", "SupCon", "SupReMix", "XCLR"),
    *("TransitiveInvariance", "TreeSupervisedContrastive"),
}


@pytest.fixture(scope="module")
def targets():
    return {name: find("objective", name).target for name in list_methods()}


def test_how_many_views_an_objective_needs(targets):
    counts = {name: target.view_count for name, target in targets.items() if target.__module__.startswith("keras_ssl.")}
    assert {name for name, count in counts.items() if count == 1} == ONE_VIEW
    assert set(counts.values()) == {1, 2}


@pytest.mark.parametrize(("flag", "names"), [("all_views", ALL_VIEWS), ("one_pass", ONE_PASS)])
def test_which_views_take_part_and_which_share_a_batch(targets, flag, names):
    ours = {name: target for name, target in targets.items() if target.__module__.startswith("keras_ssl.")}
    assert {name for name, target in ours.items() if getattr(target, flag, False)} == names


# How heads differ from Dense without bias, batch norm, ReLU, and a last Dense without bias.
BIASED = {"hidden_bias": True, "output_bias": True}
HEADS = {
    **{name: {"projector": {}} for name in ("barlow_twins", "image_pair_contrastive", "metrix", "mmcr", "tico")},
    **{name: {"projector": BIASED} for name in ("fro_ssl", "le_jepa", "msn", "vis_reg", "w_mse")},
    **{name: {"projector": {"hidden_bias": True}} for name in ("vicreg", "vic_reg_l")},
    **{name: {"projector": {"output_norm": "scale"}} for name in ("multi_task_pretraining", "simclr")},
    "byol": {"projector": {"hidden_bias": True}, "predictor": {"hidden_bias": True}},
    "groco": {"projector": {"output_norm": "plain"}},
    "nnclr": {"projector": {"output_norm": "affine"}, "predictor": {"output_bias": True}},
    "random_teacher": {"projector": {"output_bias": True}},
    "sim_match_v2": {"projector": {"batch_norm": False, "output_bias": True}},
    "simsiam": {"projector": {"output_norm": "plain"}, "predictor": {"output_bias": True}},
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_those_of_the_paper(name):
    usual = {"batch_norm": True, "hidden_bias": None, "output_bias": False, "output_norm": None, "activation": "relu"}
    model = OBJECTIVES[name]()
    for head, differs in HEADS[name].items():
        config = getattr(model, head).get_config()
        assert {key: config[key] for key in usual} == {**usual, **differs}


@pytest.mark.parametrize(
    "name",
    ["barlow_twins", "byol", "dino", "moco", "mocov3", "nnclr", "random_teacher", "ressl", "simclr", "simsiam"]
    + ["tico", "vicreg"],
)
def test_whether_the_loss_compares_samples(name):
    """Where it does not, the loss of a batch is the mean of the losses of its halves, and only there."""
    model = OBJECTIVES[name]()
    images = np.random.default_rng(0).integers(0, 256, (model.number_of_views, 8, 16, 16, 3)).astype("uint8")
    made = engine.embed(model, {"x": tuple(images)}, Step.at(8, training=False, seed=1))
    whole, first, last = (
        float(model.objective({key: z[rows] for key, z in made.items()}, Step.at(8, training=False))[0])
        for rows in (slice(None), slice(4), slice(4, None))
    )
    assert (whole != pytest.approx((first + last) / 2, rel=1e-5, abs=1e-6)) == model.compares_samples
