"""Linear and kNN accuracy of a small vision transformer: untrained, and by MaskFeat in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "MaskFeat"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, MaskFeat", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("MaskFeat", "mask_feat_digits", seed, epochs=40)
