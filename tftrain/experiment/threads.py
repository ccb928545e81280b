"""How many threads TensorFlow computes with."""

import warnings

import joblib
import tensorflow as tf

from tftrain.config.config import Threads
from tftrain.errors import TftrainWarning


def set_threads(wanted: Threads) -> None:
    """Give TensorFlow its threads: by default one for each core that this process may use.

    TensorFlow itself counts the cores of the machine, of which a container's quota may allow few;
    joblib asks for that. What a program has set before stays, unless the config says otherwise.
    Once TensorFlow has run anything its threads are what they are; then a warning says so.
    """
    setting = tf.config.threading
    cores = joblib.cpu_count()
    for name, number in wanted.model_dump().items():
        before = getattr(setting, f"get_{name}_parallelism_threads")()
        try:
            getattr(setting, f"set_{name}_parallelism_threads")(number or before or cores)
        except RuntimeError:
            if number is not None:
                warnings.warn(
                    f"training.threads.{name} is {number}, but TensorFlow runs already, with "
                    f"{before or 'one for each core'}: train in a process of its own, as the "
                    "command line does, or set tf.config.threading before anything else",
                    TftrainWarning,
                    stacklevel=2,
                )
