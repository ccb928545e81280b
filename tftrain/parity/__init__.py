"""Parity: proof that TensorFlow's gradients are those of the NumPy reference."""

from tftrain.parity.api import gradcheck
from tftrain.parity.check import Check
from tftrain.parity.report import Report

__all__ = ["Check", "Report", "gradcheck"]
