"""From a table to arrays: rows, split, features, batches.

All of it works on pandas tables and never imports TensorFlow, except `preprocessor`: the feature
maths itself is TensorFlow, because the exported model contains it.
"""
