"""Settings for all tests, in force before TensorFlow is imported."""

import gc
import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

gc.set_threshold(50_000, 20, 20)  # TensorFlow makes millions of objects that live long


@pytest.fixture
def needs_bfloat16() -> None:
    """Skip where the processor has no bfloat16: TensorFlow rounds every sum on the way there."""
    from tftrain import nn

    if not nn.has_bfloat16():
        pytest.skip("the processor has no bfloat16 instructions")
