"""Objectives whose embeddings must fill a space, by their statistics over the batch."""
