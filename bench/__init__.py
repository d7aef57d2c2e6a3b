"""Benches: what it costs and how fast it goes."""
