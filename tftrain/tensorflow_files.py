"""Turn TensorFlow's write errors into OutputError."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tftrain.files import cannot_write


@contextmanager
def tensorflow_writes(path: Path) -> Iterator[None]:
    """Raise OutputError where TensorFlow cannot write to `path`.

    TensorFlow says `FILE; No space left on device [Op:SaveV2]`, in the class that it has for
    exhausted memory too, whose message is `OOM when allocating tensor ...`.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from None
    except tf.errors.OpError as error:
        if "OOM when allocating" in error.message:
            raise
        first_line = error.message.splitlines()[0]
        reason = first_line.rpartition("; ")[2].partition(" [Op:")[0]
        raise cannot_write(path, reason) from None
