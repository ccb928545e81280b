"""Experiments from the literature, repeated."""
