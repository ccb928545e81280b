"""Programs around tftrain, grouped by what they are for: `python -m scripts.GROUP.NAME`."""
