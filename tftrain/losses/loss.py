"""What every loss has in common: terms of cases, weights, and a scale."""

import tensorflow as tf

from tftrain.errors import ShapeError


class Loss:
    """A loss; subclasses give `term`, and set `mean = False` where the terms are summed."""

    mean = True

    def term(self, error: tf.Tensor) -> tf.Tensor:
        """Return the loss of each error, elementwise."""
        raise NotImplementedError

    def __call__(
        self, prediction: tf.Tensor, target: tf.Tensor, weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the loss of a batch as a scalar.

        Args:
            prediction: the network's output, shape `(cases, units)`, floating point.
            target: what it should have been, same shape and dtype.
            weight: weight of each case, shape `(cases,)`, same dtype; all ones by default.

        Raises:
            ShapeError: the shapes or dtypes differ. Nothing is ever broadcast: `(cases,)` against
                `(cases, 1)` would silently make `(cases, cases)`.
        """
        require_same(prediction, target)
        terms = self.term(prediction - target)
        if weight is not None:
            if weight.shape.rank != 1 or not weight.shape[:1].is_compatible_with(terms.shape[:1]):
                raise ShapeError(
                    f"weights of shape {weight.shape} for cases {terms.shape}: "
                    "give one weight per case, shape (cases,)"
                )
            if weight.dtype != terms.dtype:
                raise ShapeError(
                    f"weights of {weight.dtype.name} for a loss of {terms.dtype.name}: "
                    "use one dtype for both"
                )
            terms = terms * tf.reshape(weight, [-1] + [1] * (terms.shape.rank - 1))
        return tf.reduce_sum(terms) * self.scale(terms)

    def scale(self, terms: tf.Tensor) -> tf.Tensor:
        """Return the factor in front of the sum over `terms`."""
        return 1 / tf.cast(tf.size(terms), terms.dtype)


def require_same(prediction: tf.Tensor, target: tf.Tensor) -> None:
    """Raise ShapeError unless both have the same rank, sizes (where known) and dtype."""
    if prediction.dtype != target.dtype:
        raise ShapeError(
            f"the network predicts {prediction.dtype.name} but the targets are "
            f"{target.dtype.name}: use one dtype for both"
        )
    if prediction.shape.rank is None:
        raise ShapeError(
            "the network's prediction has no known shape, as after tf.py_function: give it one "
            "with tf.ensure_shape"
        )
    same_rank = prediction.shape.rank == target.shape.rank is not None
    if not (same_rank and prediction.shape.is_compatible_with(target.shape)):
        raise ShapeError(
            f"the network predicts shape {prediction.shape} but the targets have shape "
            f"{target.shape}: give targets of shape (cases, units), for one unit "
            "np.reshape(y, (-1, 1))"
        )
