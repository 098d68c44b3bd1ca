"""Objectives that assign the views of a sample to the same cluster."""
