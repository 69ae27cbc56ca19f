"""The degradations by name: one plain table, and the calls that apply an entry. Knows nothing of how any step works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.degradation import surveillance
from models.degradation.chain import Chain, Degraded, Profile, UnfitError, check
from models.degradation.chain import draw as draw_chain
from models.degradation.classical import BICUBIC, BLURRED, NOISY, ClassicalMix
from models.degradation.codec import Bytes
from models.degradation.encode import Encode, FixedEncode, Jpeg
from models.degradation.firmware import Halo, Weave
from models.degradation.glean_blind import GleanBlind
from models.degradation.optics import Defocus, Motion
from models.degradation.sampling import Sampling
from models.degradation.scene import Infrared, Tone
from models.degradation.second_order import SecondOrder
from models.degradation.sensor import FixedSensor, Sensor, SensorDrawn
from models.degradation.surveillance_clip import Surveillance
from models.degradation.video_codec import Encoding

RUN = 4  # frames that a still stands for where a codec or interlace needs several
AREA = Sampling((("area", 1.0),))

DAY_SENSOR = Sensor(shot=0.004, read=0.025)
NIGHT_SENSOR = Sensor(
    shot=0.012, read=0.06, level=(2.0, 2.5), chroma=(0.0, 0.0), grainy=0.7, pixels=(0.1, 0.5), rows=(0.1, 0.5)
)

# Stated conditions for measuring: 4 levels of read noise in black, 10 in white, as a small sensor has indoors.
CRF28_SENSOR = SensorDrawn(shot=0.0013, read=0.0157, grain=0.5, chroma=0.4, chroma_grain=1.0, pixels=0.002, rows=0.002)

DAY = Profile(
    about="by day: optics, aliasing, a quiet sensor, sharpening, H.264 or H.265",
    source="ours",
    scene=(Tone(0.4),),
    steps=(
        Defocus((0.1, 0.5)),
        Motion(0.2),
        Sampling(),
        DAY_SENSOR,
        Halo(0.5),
        Encode(("h264", "h264", "h265"), crf=(22.0, 36.0)),
    ),
    frames=RUN,
    standing=0.4,
    pan=(0.0, 2.0),
)


def _surveillance_still(image: Bytes, scale: int, seed: int) -> Degraded:
    low, target = surveillance.degrade(image, scale, seed)
    drawn = draw_chain(PROFILES["surveillance"], scale, seed)
    return Degraded(low, target, drawn.drawn)


PROFILES: dict[str, Profile] = {
    "clean-bicubic": Profile("MATLAB's bicubic and nothing else (BI)", "the literature", (BICUBIC,)),
    "classical": Profile("random Gaussian blur, MATLAB's bicubic, white noise", "SRMD, USRNet", (ClassicalMix(),)),
    "classical-bd": Profile("Gaussian of 1.6 pixels, every scale-th pixel (BD)", "RDN, CVPR 2018", (BLURRED,)),
    "classical-dn": Profile("MATLAB's bicubic, noise of 30 levels (DN)", "RDN, CVPR 2018", (NOISY,)),
    "glean-blind": Profile("blur, shrink, noise, JPEG, enlarged, shrunk by area", "GLEAN, 2022", (GleanBlind(),)),
    "second-order": Profile("blur, resize, noise, JPEG, twice, with ringing", "Real-ESRGAN, 2021", (SecondOrder(),)),
    "surveillance": Profile(
        about="the first surveillance profile, that shipped networks were trained with; stills stand still",
        source="ours",
        steps=(Surveillance(),),
        frames=surveillance.FRAMES,
        still=_surveillance_still,
    ),
    "surveillance-crf28": Profile(
        about="shrunk by area, one stated sensor noise, H.264 at CRF 28: for measuring",
        source="ours",
        steps=(AREA, FixedSensor(CRF28_SENSOR), FixedEncode(Encoding("h264", crf=28.0))),
        frames=RUN,
    ),
    "surveillance-day": DAY,
    "surveillance-night-ir": Profile(
        about="by night: infrared grey, the lamp's falloff, slow shutter, soft focus, much noise, H.264 or H.265",
        source="ours",
        scene=(Infrared(), Tone(0.6, gamma=(0.9, 1.4), white=(0.7, 1.0))),
        steps=(
            Defocus((0.2, 0.7)),
            Motion(0.4, length=(1.0, 5.0)),
            Sampling(),
            NIGHT_SENSOR,
            Halo(0.4),
            Encode(("h264", "h264", "h265"), crf=(24.0, 36.0)),
        ),
        frames=RUN,
        standing=0.4,
        pan=(0.0, 2.0),
    ),
    "surveillance-interlaced": replace(
        DAY,
        about="by day, with fields of two times woven into frames before H.264",
        steps=(Defocus((0.1, 0.5)), Sampling(), DAY_SENSOR, Halo(0.5), Weave(), Encode(crf=(20.0, 34.0))),
        standing=0.2,
        pan=(0.5, 3.0),
    ),
    "low-bitrate-h264": Profile(
        about="shrunk, a quiet sensor, H.264 at CRF 32 to 44",
        source="ours",
        steps=(Sampling(), DAY_SENSOR, Encode(crf=(32.0, 44.0), gop=(25, 250))),
        frames=RUN,
        standing=0.4,
        pan=(0.0, 2.0),
    ),
    "low-bitrate-h265": Profile(
        about="shrunk, a quiet sensor, H.265 at CRF 32 to 44",
        source="ours",
        steps=(Sampling(), DAY_SENSOR, Encode(("h265",), crf=(32.0, 44.0), gop=(25, 250))),
        frames=RUN,
        standing=0.4,
        pan=(0.0, 2.0),
    ),
    "reencoded": Profile(
        about="perhaps Motion JPEG, then two or three encoders of H.264 or H.265 on different block grids",
        source="ours",
        steps=(
            Defocus((0.1, 0.4)),
            Sampling(),
            DAY_SENSOR,
            Jpeg(0.3, (40, 90)),
            Encode(("h264", "h265"), crf=(22.0, 34.0), generations=(2, 3), off_grid=True),
        ),
        frames=RUN,
        standing=0.4,
        pan=(0.0, 2.0),
    ),
    "oversharpened": Profile(
        about="soft optics, a quiet sensor, strong halos, no codec",
        source="ours",
        steps=(Defocus((0.3, 0.6)), Sampling(), DAY_SENSOR, Halo(1.0, amount=(0.8, 2.5), sigma=(0.7, 2.0))),
    ),
    "noise-only": Profile(
        "shrunk by area, sensor noise from quiet to night", "ours", (AREA, Sensor(0.012, 0.06, level=(1.0, 1.5)))
    ),
    "blur-only": Profile(
        "defocus, and motion half of the time; shrunk by area", "ours", (Defocus((0.2, 1.2)), Motion(0.5), AREA)
    ),
    "jpeg-only": Profile("shrunk by area, JPEG of quality 10 to 90", "ours", (AREA, Jpeg(quality=(10, 90)))),
}


class UnknownProfile(ValueError):
    """No degradation has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown degradation {name!r}: use one of {', '.join(PROFILES)}")


def find(name: str) -> Profile:
    """Raises UnknownProfile."""
    if name not in PROFILES:
        raise UnknownProfile(name)
    return PROFILES[name]


def draw(profile: str, scale: int, seed: int) -> Chain:
    """The named profile's parameters for one clip, to be run over its frames. Raises UnknownProfile, UnfitError."""
    return draw_chain(find(profile), scale, seed)


def degrade(image: Bytes, profile: str, scale: int, seed: int) -> Degraded:
    """A still: (H, W, 3) uint8 -> low (H//scale, W//scale, 3) uint8, its target and what was drawn.

    The image is cropped to a multiple of `scale` from its first row and column. Equal seeds give equal bytes. The
    target is that crop, after the profile's scene steps where it has any (infrared grey, exposure); for second-order
    the L1 and perceptual targets of the paper are the crop after `kernels.unsharp`, which this does not apply.
    Raises UnknownProfile; UnfitError for another shape or dtype, a scale below 1, a picture smaller than `scale`.
    """
    chain = draw(profile, scale, seed)
    check(image, scale)
    if chain.profile.still is not None:
        return chain.profile.still(image, scale, seed)
    target = next(chain.targets([image]))
    extra = {"profile": profile, "frame": chain.keep, "pan": list(chain.pan)}
    return Degraded(chain.still(image), target, extra | chain.drawn)


def degrade_frames(frames: NDArray[np.uint8] | Sequence[Bytes], profile: str, scale: int, seed: int) -> Degraded:
    """A clip: (T, H, W, 3) uint8, T >= 1 -> low (T, H//scale, W//scale, 3), in order, parameters drawn once.

    Noise differs from frame to frame, a sensor's fixed pattern does not; codecs run over all frames. Long clips go
    through `draw(...).run`, which is lazy and gives the same bytes. Raises as `degrade`.
    """
    if len(frames) == 0:
        raise UnfitError("there is no frame to degrade: give at least one")
    chain = draw(profile, scale, seed)
    low, target = np.stack(list(chain.run(frames))), np.stack(list(chain.targets(frames)))
    return Degraded(low, target, {"profile": profile} | chain.drawn)
