"""Whether networks compute in bfloat16, and whether processors do."""

from pathlib import Path

import tensorflow as tf

from tftrain.names import MIXED

NARROW = "bfloat16"

INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of a processor (x86 and ARM) that multiplies bfloat16 by itself."""

CAPABILITY = (8, 0)
"""Compute capability from which graphics processors do."""


def is_mixed(network: tf.Module) -> bool:
    """Return whether a layer of the network computes in bfloat16."""
    modules = (network, *network.submodules)
    return any(getattr(module, "compute_dtype", None) == NARROW for module in modules)


def precision_name(network: tf.Module) -> str:
    """Return `mixed_bfloat16` where a layer computes in bfloat16, else the dtype of the weights."""
    if is_mixed(network):
        return MIXED
    name: str = network.trainable_variables[0].dtype.name
    return name


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor at hand multiplies bfloat16 faster than float32.

    Args:
        cpuinfo: the file in which Linux describes the processor; other systems have none.
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        return bool(details.get("compute_capability", (0, 0)) >= CAPABILITY)
    if not cpuinfo.exists():
        return False
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith(("flags", "Features"))]
    return bool(INSTRUCTIONS & {word for line in told for word in line.split()})
