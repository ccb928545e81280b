"""The lecture in the terminal: forward and backward pass, with every number written out.

What TensorFlow found stands beside what NumPy finds by hand (the reference). `explain` takes a row
of a config, `explain_expression` a formula.

- `row.py`: `explain`, the page on one row, from its raw values to the certificate.
- `expression.py`: `explain_expression`, the page on a formula.
- `units.py`: a small network, unit by unit.
- `norms.py`: a large network, by the norms of its arrays.
- `network.py`: the network and its loss in symbols.
- `update.py`: the equations of the gradients and of the optimizer.
- `lesson.py`: the step that all of this shows, made in both engines.
- `text.py`: tables, wrapped lines, sums.

Imports flow one way: `text` and `lesson`, `network` and `update`, `units` and `norms`, `row`.
"""

from tftrain.explain.formula import explain_expression
from tftrain.explain.row import explain

__all__ = ["explain", "explain_expression"]
