"""Loading TensorFlow in a process of our own: without Keras, and without its chatter."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def load_tensorflow() -> None:
    """Import TensorFlow. Only for the command line: a program that imports us keeps its settings.

    With `TF_USE_LEGACY_KERAS` and no `tf_keras` installed, TensorFlow skips its import of Keras,
    which is almost half of the time.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if find_spec("tf_keras") is None:
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with _quiet_stderr():
        import tensorflow  # noqa: F401


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discard what C++ prints on file descriptor 2, unless the user asked for its log.

    TensorFlow logs the processor's features before any log level is in force. What fails in the
    import is a Python error, which is not lost.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] < "2":
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
