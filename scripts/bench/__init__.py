"""The benchmark: tftrain beside other libraries."""
