"""What is wrong with a checkpoint."""

from __future__ import annotations


class CheckpointError(Exception):
    """A checkpoint is damaged, hostile, of an unknown layout, or does not fit; the message names the key or reason."""


class UnknownNetwork(CheckpointError):
    """A whole checkpoint, whose keys are of no network of ours."""
