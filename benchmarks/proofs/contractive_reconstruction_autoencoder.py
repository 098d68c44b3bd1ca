"""How far samples of two moons are from held-out points: those of a Gaussian of the same mean and covariance, and those
that Metropolis-Hastings draws from there by the score of a reconstruction contractive autoencoder."""

from benchmarks.proofs._two_moons import compare

NAME = "ContractiveReconstructionAutoencoder"
MEASURE = "energy distance"
LOWER_IS_BETTER = True
METHOD, BASELINE = "energy distance, ContractiveReconstructionAutoencoder", "energy distance, Gaussian"


def run(seed: int) -> dict[str, float]:
    return compare("ContractiveReconstructionAutoencoder", seed, sigma=0.15)
