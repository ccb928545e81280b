"""A file for each library, written as its own documentation recommends for speed.

Each has a class `Peer(work, variant)` with `train(epochs, shuffle)`, which returns the seconds
spent (compilation is over by then), and `loss()`, the mean squared error over all rows.
"""
