"""Measurements: ratios of runs side by side, because machines are noisy. Never part of the tests."""
