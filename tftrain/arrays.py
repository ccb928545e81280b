"""From arrays to tensors without a copy too many."""

import hashlib
from typing import Any

import numpy as np
import tensorflow as tf

ALIGNMENT = 64
"""TensorFlow's kernels take memory that starts at multiples of so many bytes; NumPy's seldom does,
so that `tf.convert_to_tensor` holds two copies."""

BLOCK_ELEMENTS = 2**20
"""Elements that are looked at together, so that what is found of them needs little memory."""


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array that `tensor_of` need not copy."""
    wanted = np.dtype(dtype)
    size = int(np.prod(shape)) * wanted.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(wanted).reshape(shape)


def tensor_of(values: np.ndarray, dtype: tf.DType) -> tf.Tensor:
    """Return an array as a tensor of a dtype; what is too large for it is infinite.

    An `aligned` array of that dtype shares its memory with the tensor: it must not change while
    the tensor is in use. Any other, as most of a user's are, is copied once.
    """
    wanted = np.dtype(dtype.as_numpy_dtype)
    if wanted.kind not in "iuf" or not values.size:
        return tf.constant(values, dtype)
    fits = values.dtype == wanted and values.flags.c_contiguous and values.flags.writeable
    if not fits or values.ctypes.data % ALIGNMENT:
        copy = aligned(values.shape, wanted)
        with np.errstate(over="ignore"):
            np.copyto(copy, values, casting="unsafe")
        values = copy
    # Where there is a GPU, identity brings it there; on the processor it copies nothing.
    return tf.identity(tf.experimental.dlpack.from_dlpack(values.__dlpack__()))


def digest_of(values: Any) -> str:
    """Return the SHA-256 of the elements of an array or tensor."""
    elements = np.ascontiguousarray(values).reshape(-1)
    return hashlib.sha256(elements.view(np.uint8).data).hexdigest()


def first_not_finite(values: np.ndarray) -> tuple[int, ...] | None:
    """Return the index of the first element that is NaN or infinite, or None."""
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK_ELEMENTS):
        wrong = ~np.isfinite(flat[start : start + BLOCK_ELEMENTS])
        if wrong.any():
            place = np.unravel_index(start + int(np.argmax(wrong)), values.shape)
            return tuple(int(i) for i in place)
    return None
