"""Gleaner's version, in its one place: pyproject.toml reads it too, since images run the sources, uninstalled."""

from __future__ import annotations

VERSION = "0.1.0"
