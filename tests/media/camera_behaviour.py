"""What a camera of `tests.media.camera_servers` does, and how it lies. Not a test file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.media.camera_material import Material, material


def true_time(seconds: float) -> float:
    return seconds


@dataclass(frozen=True)
class Behaviour:
    """What a camera does. All times are seconds since PLAY."""

    loop: Material = field(default_factory=material)
    rate: float = 25.0  # pictures sent a second; 0: none
    stated_rate: float | None = None  # in the session description; None: the truth
    speed: float = 1.0  # how much faster than real time everything is sent; timestamps stay those of `rate`
    clock: Callable[[float], float] = true_time  # true time of a picture → the time its RTP timestamp tells
    changes: Mapping[float, Material] = field(default_factory=dict)  # from this time on, another loop
    broken_for_s: float = 0.0  # parameter sets make no sense so long, and the session description has none
    parameters: bool = True  # parameter sets in the session description
    in_band: bool = True  # parameter sets before key frames
    video: bool = True
    audio: bool = False  # G.711 beside it
    reports: bool = False  # RTCP sender reports
    utc: Callable[[float], float] | None = None  # what they tell as UTC; None: our clock
    frames: int | None = None  # pictures after which it stops
    at_end: str = "close"  # or "quiet", or "reset"
    status: int = 200  # of DESCRIBE
    location: str | None = None  # of a redirect; "self": this server again
    silent: str | None = None  # "accept": no answer to anything; "play": no packet; "describe": none to DESCRIBE
    auth: str | None = None  # "basic" or "digest"
    user: str = "operator"
    password: str = "s3cret pass/word"
    damage_every: int = 0  # every so many pictures, one has flipped bits
    noise_every: int = 0  # every so many RTP packets, one is random bytes
