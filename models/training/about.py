"""What trained weights say of their data: licences of the pictures, and the licence they leave. Knows no networks."""

from __future__ import annotations

from collections.abc import Mapping

SHARE_ALIKE = "-SA"


def trained_on(licences: Mapping[str, int]) -> str:
    """One line: how many openly licensed files of which licences, most first."""
    listed = ", ".join(f"{name}: {count}" for name, count in sorted(licences.items(), key=lambda e: (-e[1], e[0])))
    return f"{sum(licences.values())} openly licensed files ({listed}); see models/weights/README.md"


def licence(licences: Mapping[str, int]) -> str:
    """Of the weights. Where share-alike pictures were among the data the weights are passed on alike, to be safe."""
    if any(SHARE_ALIKE in name for name in licences):
        return "CC BY-SA 4.0, as part of its training pictures; see models/weights/README.md"
    return "nothing share-alike among its training pictures; attributions due: see models/weights/README.md"
