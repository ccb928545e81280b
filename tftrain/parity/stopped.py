"""What `tf.stop_gradient` stops, held constant.

To stop a gradient is to declare a number constant: a straight-through estimator, the mean in
`tf.nn.moments`, a target that a network makes for itself. Differences of a layer's values know
nothing of that. Taken with these numbers kept as they were, they must agree with the gradient.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

Function = Callable[..., tf.Tensor]


def holding_constant(layer: Function, inputs: Sequence[tf.Tensor]) -> Function | None:
    """Return a layer in which what it stops stays as it is now, with the present variables.

    Args:
        layer: maps tensors to a tensor.
        inputs: the tensors.

    Returns:
        The layer; None where it stops nothing, or cannot be traced.
    """
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # a tf.function within would hide what it stops
    try:
        program = tf.compat.v1.wrap_function(
            layer, [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
        )
    except (TypeError, ValueError, NotImplementedError, tf.errors.OpError):
        return None
    finally:
        tf.config.run_functions_eagerly(eagerly)
    stopped = [op.outputs[0] for op in program.graph.get_operations() if op.type == "StopGradient"]
    if not stopped:
        return None
    start, result = list(program.inputs[: len(inputs)]), program.outputs[0]
    constants = program.prune(start, stopped)(*inputs)
    held = program.prune([*start, *stopped], result)
    return lambda *moved: held(*moved, *constants)
