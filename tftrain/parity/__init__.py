"""Parity: proof that TensorFlow's gradients are those of the NumPy reference."""

from tftrain.parity.checking import gradcheck
from tftrain.parity.checks import Check
from tftrain.parity.report import Report
from tftrain.training.tracing import TRACED_MODES as MODES

__all__ = ["MODES", "Check", "Report", "gradcheck"]
