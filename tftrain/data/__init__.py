"""From a table to arrays: rows, split, features, batches.

`tables`, `bundled`, `columns`, `split` and `features` work on pandas tables and never import
TensorFlow; the feature maths itself is TensorFlow (`preprocessor`), because the exported model
contains it.
"""
