"""Attacks: broken input, and processes that are killed."""
