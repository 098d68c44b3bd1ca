"""Objectives that predict what the encoder does not see."""
