"""Measurements of the certificate: what it finds, what it assumes, what it costs."""
