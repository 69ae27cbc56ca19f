"""Packets of the live encoder: one for each image at once, key frames when due, colours, sizes."""

import av
import numpy as np
import pytest

from media.live_encoder import Encoded, LiveEncoder, live_size
from media.types import ColourTags
from tests.media.live_frames import BT709, coded, number, picture, steady


def decode(frames: list[Encoded]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = frames[0].format.extradata
    result = []
    for frame in frames:
        packet: av.Packet[av.VideoStream] = av.Packet(frame.data)
        packet.pts = packet.dts = frame.pts
        result += decoder.decode(packet)
    return result + decoder.decode(None)


@pytest.mark.parametrize("threads", [1, 2])
def test_each_image_is_a_packet_at_once(threads: int) -> None:
    with LiveEncoder(160, 96, BT709, threads=threads) as encoder:
        frames = []
        for index, pts in enumerate([7, 3607, 3608, 50_000, 400_000]):
            (frame,) = encoder.encode(picture(index, (160, 96)), pts)
            assert frame.pts == pts
            frames.append(frame)
    shown = decode(frames)
    assert [frame.pts for frame in shown] == [frame.pts for frame in frames]
    assert [number(frame.to_ndarray(format="rgb24")) for frame in shown] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rate", [25, 12.5, 3])
def test_key_frames_come_every_two_seconds_to_the_nearest_frame(rate: float) -> None:
    keys = [frame.pts / 90_000 for frame in coded(steady(rate, 9)) if frame.key]
    assert keys == pytest.approx([0, 2, 4, 6, 8], abs=0.5 / rate + 1e-3)


def test_a_key_frame_is_given_when_asked_for_and_counts() -> None:
    with LiveEncoder(96, 64, BT709) as encoder:
        frames = [encoder.encode(picture(i), i * 9000, key=i == 13)[0] for i in range(40)]
    assert [index for index, frame in enumerate(frames) if frame.key] == [0, 13, 33]
    assert len(decode(frames[13:])) == 27  # decodable from there on: an IDR frame


def test_the_format_says_what_changes() -> None:
    first, same = coded([0])[0].format, coded([9000])[0].format
    assert first == same
    assert first != coded([0], size=(64, 64))[0].format
    with LiveEncoder(96, 64, ColourTags(True, 5, 5, 6)) as encoder:
        assert encoder.format != first
    assert "extradata" not in repr(first)


def test_colours_are_kept_and_named() -> None:
    tags = ColourTags(True, 5, 5, 6)
    image = np.full((64, 96, 3), (200, 40, 90), np.uint8)
    with LiveEncoder(96, 64, tags) as encoder:
        (frame,) = decode(encoder.encode(image, 0))
    assert (frame.color_range, frame.colorspace) == (2, 5)
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - image).max() <= 4


def test_grey_stays_exactly_grey() -> None:
    image = np.repeat(picture(3)[..., 1:2], 3, axis=2)
    with LiveEncoder(96, 64, BT709) as encoder:
        (frame,) = decode(encoder.encode(image, 0, grey=True))
    assert (frame.to_ndarray()[64:] == 128).all()  # the rows below the luma of yuv420p


def test_an_image_of_another_size_is_fitted() -> None:
    with LiveEncoder(96, 64, BT709) as encoder:
        (frame,) = decode(encoder.encode(picture(5, (192, 128)), 0))
    assert (frame.width, frame.height) == (96, 64)
    assert number(frame.to_ndarray(format="rgb24")) == 5


def test_times_must_rise() -> None:
    with LiveEncoder(96, 64, BT709) as encoder:
        encoder.encode(picture(0), 100)
        with pytest.raises(ValueError, match="100 after 100"):
            encoder.encode(picture(0), 100)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1920, 1080), (1920, 1080)),
        ((2816, 2304), (2816, 2304)),
        ((705, 577), (704, 576)),
        ((3, 5), (16, 16)),
        ((7680, 4320), (4096, 2304)),
        ((4096, 3072), (3536, 2652)),
    ],
)
def test_sizes_that_players_take(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert live_size(*size) == fitted
    assert live_size(*fitted) == fitted


def test_a_size_that_players_do_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="7680×4320 cannot be sent live"):
        LiveEncoder(7680, 4320, BT709)


def test_noise_does_not_fill_the_network() -> None:
    rng = np.random.default_rng(1)
    with LiveEncoder(640, 368, BT709, threads=1) as encoder:
        frames = [encoder.encode(rng.integers(0, 256, (368, 640, 3), np.uint8), i * 3600)[0] for i in range(75)]
    assert sum(len(frame.data) for frame in frames[25:]) * 8 / 2 < 1.5 * 640 * 368 * 4
