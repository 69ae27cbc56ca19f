"""What is wrong with a checkpoint."""

from __future__ import annotations


class CheckpointError(Exception):
    """A checkpoint is damaged, hostile, of an unknown layout, or does not fit; the message names the key or reason."""
