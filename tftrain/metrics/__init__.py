"""Metrics: how good predictions are, in the units of the target."""

from tftrain.metrics.regression import BLOCK_ROWS, ErrorSums, deviation_sums, error_sums

__all__ = ["BLOCK_ROWS", "ErrorSums", "deviation_sums", "error_sums"]
