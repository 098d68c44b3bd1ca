"""Calibration: how far confidence is from accuracy, and what brings them together."""
