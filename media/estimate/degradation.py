"""How degraded a clip is, as values. No OpenCV and no PyAV here: every room may import this file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

COMBED = 0.03  # share of combed pixels from which a clip is called interlaced
DARK = 50.0  # mean luma, levels
FLAT = 60.0  # levels between the 5th and the 95th percentile of luma


@dataclass(frozen=True, slots=True)
class Degradation:
    """Estimates, in 8-bit levels (0..255) of luma and in pixels of the source."""

    frames: int  # how many were looked at
    noise: float  # standard deviation on flat places, levels; what the codec left of it
    blur: float | None  # sigma of the Gaussian equivalent of the sharper edges, pixels; None: no edges
    blockiness: float  # steps at the 8-pixel grid beyond those elsewhere, levels
    combing: float  # largest share of pixels combed in a frame, after deinterlacing where the clip is marked interlaced
    grey: bool  # every frame is exactly grey
    level: float  # mean luma, levels
    contrast: float  # levels between the 5th and the 95th percentile of luma
    quantiser: float | None = None  # mean QP of H.264, 0..51; None: another codec
    bits_per_pixel: float | None = None  # of the whole file, sound included; None: its number of frames is unknown

    @property
    def interlaced(self) -> bool:
        """Fields of two times are left in single frames. A scene in which nothing moves does not show it."""
        return self.combing >= COMBED

    @property
    def dark(self) -> bool:
        return self.level < DARK

    @property
    def low_contrast(self) -> bool:
        return self.contrast < FLAT

    def to_json(self) -> dict[str, Any]:
        """The fields, rounded to what they are worth, and the three verdicts."""
        rounded = {key: _rounded(value) for key, value in asdict(self).items()}
        return rounded | {"interlaced": self.interlaced, "dark": self.dark, "low_contrast": self.low_contrast}


def from_json(values: dict[str, Any]) -> Degradation:
    """Of what `to_json` gave. Raises KeyError or TypeError for anything else."""
    return Degradation(**{field.name: values[field.name] for field in fields(Degradation)})


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
