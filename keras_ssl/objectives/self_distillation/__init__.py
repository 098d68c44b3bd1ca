"""Objectives in which a momentum teacher sets the targets."""
