"""What media knows of a live camera, as values. No PyAV here: every room may import this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from media.types import ColourTags, Image

CLOCK = 90_000  # ticks a second of every live pts: RTP's own rate for video
TICK = Fraction(1, CLOCK)

REMEDIES = {
    "camera-refused": "The connection was refused by the camera; check its port and that RTSP is switched on.",
    "camera-unreachable": "The camera does not answer; check its address, its power and the network to it.",
    "camera-unauthorised": "The camera does not accept the user name and password; check both.",
    "camera-forbidden": "The camera forbids this user to see this stream; give the user the right to view it.",
    "camera-not-found": "The camera has no stream of this path; look the path up in its manual.",
    "camera-silent": "The camera sent nothing for too long; check the network and the camera's load.",
    "camera-redirected": "The camera sent us to another address, which is not followed; give that address itself.",
    "camera-no-video": "The stream has no video, or none that ever became a picture; choose another profile.",
    "camera-unsupported-codec": "The video is coded in a way that is not accepted; set the camera to H.264 or H.265.",
    "camera-too-large": "The picture has more pixels than are accepted; choose a smaller profile.",
    "camera-ended": "The camera ended the stream.",
    "camera-broken": "The camera speaks a protocol that cannot be followed; update it or choose another transport.",
}
# Trying again soon does not help with these, and some cameras lock the account of those who do.
SLOW = frozenset(
    (
        "camera-unauthorised",
        "camera-forbidden",
        "camera-not-found",
        "camera-redirected",
        "camera-no-video",
        "camera-unsupported-codec",
        "camera-too-large",
    )
)


@dataclass(frozen=True, slots=True)
class CameraSource:
    """Where to connect. The caller has checked the address: `url` holds an IP, and is opened as it is.

    Connecting gives up after `connect_timeout_s`; a camera that sends no packet for `silence_s` ends with
    "camera-silent". A camera whose packets never become a picture is given `patience_s`.
    """

    url: str = field(repr=False)  # rtsp(s)://[user:password@]IP:port/path: never shown, never logged
    transport: str = "tcp"  # or "udp"
    listen: str | None = None  # None: pull from `url`. "rtsp" or "rtmp": wait for a gateway that pushes to `url`
    connect_timeout_s: float = 10.0
    silence_s: float = 10.0
    patience_s: float = 20.0


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """What one camera may take. Behind by more than the queue holds, decoding goes on at the next key frame."""

    max_pixels: int = 16_000_000  # width x height of a picture
    queue_bytes: int = 32 << 20  # of packets that wait for the decoder
    queue_s: float = 4.0


class CameraError(Exception):
    """A camera gives no pictures (any more). `code` is a key of `REMEDIES`; the message never holds a URL or a path.

    slow: trying again soon will not help.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{REMEDIES[code]} ({detail})" if detail else REMEDIES[code])
        self.code = code
        self.slow = code in SLOW


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a camera sends now. Compared by value: a new one means that the camera has changed its settings."""

    codec: str  # FFmpeg's name
    width: int
    height: int
    pix_fmt: str
    nominal_rate: Fraction | None  # as the camera says: not to be trusted
    audio: str | None  # codec of its sound, FFmpeg's name
    colour: ColourTags
    interlaced: str  # "progressive", "tff" or "bff"


@dataclass(slots=True, eq=False)
class LiveFrame:
    image: Image  # (H, W, 3) uint8 RGB; deeper sources are brought to 8 bits
    pts: int  # 1/90000 s on the stream's own timeline: strictly rising over reconnects and clocks that were set
    captured_at: float | None  # Unix seconds UTC by the camera's RTCP sender reports; None where it sends none
    arrived_at: float  # Unix seconds by our clock, when the packet that completed it was read
    grey: bool  # every chroma sample is neutral
    damaged: bool  # the decoder concealed damage in it
    facts: CameraFacts  # of this frame
    event: str | None = None  # what the clock found at this frame: see `media.camera_clock.Stamp`
    gap_s: float = 0.0  # seconds without a frame before this one, where the event is "gap"
