"""Losses for samples without labels: pseudo-labels, consistency between views, thresholds of confidence."""
