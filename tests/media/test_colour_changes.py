"""Converting only what changed gives the frame that converting everything gives, bit for bit."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media.colour_changes import BLOCK_HEIGHT, BLOCK_WIDTH, MOST_BLOCKS, Box, ChangesFromRgb, dirty_blocks
from media.colour_out import FromRgb
from media.types import ColourTags

LIMITED, FULL, RGB = ColourTags(False, 1, 1, 1), ColourTags(True, 5, 5, 6), ColourTags(True, 0, 1, 1)
FORMATS = [
    ("yuv420p", LIMITED),
    ("yuv420p", FULL),
    ("yuv444p", LIMITED),
    ("yuv420p10le", LIMITED),
    ("yuv444p12le", FULL),
    ("bgr0", RGB),
    ("gbrp10le", RGB),
]
SIZE = (4 * BLOCK_WIDTH + 38, 5 * BLOCK_HEIGHT + 22)  # the last blocks are larger


def noise(seed: int, dtype: str, size: tuple[int, int] = SIZE) -> NDArray:
    top = int(np.iinfo(dtype).max) + 1
    return np.random.default_rng(seed).integers(0, top, (size[1], size[0], 3)).astype(dtype)


def content(frame: av.VideoFrame) -> tuple[object, ...]:
    """All of a frame but its times; not the padding of lines."""
    wide = {"bgr0": 4, "yuv420p": 1, "yuv444p": 1}.get(frame.format.name, 2)
    planes = [
        np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width * wide].tobytes()
        for p in frame.planes
    ]
    return planes, frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("fmt", "tags"), FORMATS)
def test_a_converted_change_equals_a_converted_picture(fmt: str, tags: ColourTags, dtype: str, grey: bool) -> None:
    changes, whole = ChangesFromRgb(tags, fmt), FromRgb(tags, fmt)
    image = noise(1, dtype)
    assert content(changes(image, grey=grey)) == content(whole(image, grey))
    rng = np.random.default_rng(3)
    for step in range(6):
        boxes = []
        for _ in range(step % 3 + 1):
            left, top = (int(rng.integers(0, side - 1)) for side in SIZE)
            box = Box(
                left,
                top,
                *(
                    int(rng.integers(low + 1, min(low + 90, side) + 1))
                    for low, side in ((left, SIZE[0]), (top, SIZE[1]))
                ),
            )
            boxes.append(box)
            image[box.top : box.bottom, box.left : box.right] += 1
        assert dirty_blocks(*SIZE, boxes).mean() < MOST_BLOCKS
        assert content(changes(image, grey=grey, changed=boxes)) == content(whole(image, grey))


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (130, 70), (1280, 130), (642, 66)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pictures_of_any_size_equal_those_converted_whole(size: tuple[int, int], dtype: str) -> None:
    fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
    changes, whole = ChangesFromRgb(LIMITED, fmt), FromRgb(LIMITED, fmt)
    image = noise(1, dtype, size)
    assert content(changes(image)) == content(whole(image))
    image[-1, -1] //= 2
    last = Box(size[0] - 1, size[1] - 1, *size)
    assert content(changes(image, changed=[last])) == content(whole(image))


def test_the_last_pixel_of_a_picture_is_in_a_block() -> None:
    assert dirty_blocks(*SIZE, [Box(SIZE[0] - 1, SIZE[1] - 1, *SIZE)]).sum() == 1
    assert dirty_blocks(*SIZE, [Box(0, 0, *SIZE)]).all()
    assert not dirty_blocks(*SIZE, [Box(5, 5, 5, 9)]).any()


def test_where_nothing_changed_the_frame_is_the_one_before() -> None:
    changes = ChangesFromRgb(LIMITED, "yuv420p")
    assert changes.same([]) is None
    frame = changes(noise(1, "uint8"))
    assert changes.same([]) is frame
    assert changes.same([Box(0, 0, 1, 1)]) is None
    assert changes.same([], grey=True) is None


def test_a_picture_that_turns_grey_is_converted_whole() -> None:
    changes = ChangesFromRgb(LIMITED, "yuv420p")
    image = noise(1, "uint8")
    changes(image)
    grey = changes(image, grey=True, changed=[Box(0, 0, 2, 2)])
    assert content(grey) == content(FromRgb(LIMITED, "yuv420p")(image, True))


@pytest.mark.parametrize("kept", [1, 3])
def test_frames_stay_as_they_are_while_so_many_others_are_given(kept: int) -> None:
    changes = ChangesFromRgb(LIMITED, "yuv420p", kept=kept)
    image = noise(1, "uint8")
    given = []
    for n in range(12):
        image[0, n] += 90
        frame = changes(image, changed=None if n == 0 else [Box(n, 0, n + 1, 1)])
        given.append((frame, content(frame)))
        assert all(content(earlier) == was for earlier, was in given[-1 - kept :])
    assert len({id(frame) for frame, _ in given}) == kept + 1  # and no more memory is taken than that
