"""Losses of logits and class numbers: robust to label noise and perturbations, or better calibrated."""
