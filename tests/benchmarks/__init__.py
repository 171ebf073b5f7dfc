"""Benchmarks of the running service, as ratios within one run: `make bench`."""
