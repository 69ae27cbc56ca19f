"""The surveillance profile as a step over clips: one camera and one codec for all frames. Draws as `surveillance`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from models.degradation.blur import Picture
from models.degradation.encode import EncodeDrawn, Generation, JpegDrawn
from models.degradation.surveillance import CodecDraw, Recipe, draw, draw_codec, see, to_bytes, to_float
from models.degradation.video_codec import Encoding


@dataclass(frozen=True, slots=True)
class SurveillanceDrawn:
    recipe: Recipe
    codec: CodecDraw  # `keep` is for stills only
    scale: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        seen = (to_float(to_bytes(see(frame, self.scale, self.recipe, rng))) for frame in frames)
        if self.codec.kind == "h264":
            encoding = Encoding(crf=self.codec.crf, gop=12, b_frames=2, looks_ahead=True)
            return EncodeDrawn((Generation(encoding),)).run(seen, rng)
        return JpegDrawn(self.codec.quality).run(seen, rng) if self.codec.kind == "jpeg" else seen


@dataclass(frozen=True, slots=True)
class Surveillance:
    def draw(self, rng: np.random.Generator, scale: int) -> SurveillanceDrawn:
        return SurveillanceDrawn(draw(rng), draw_codec(rng), scale)
