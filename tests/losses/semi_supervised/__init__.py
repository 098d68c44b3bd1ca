"""Tests of the losses of semi-supervised learning."""
