"""What is drawn for training: always the same from one seed, of the right size, with strokes that can be seen."""

import cv2
import numpy as np
import pytest

from models.degradation import profiles
from models.training.drawn import __main__ as sheets
from models.training.drawn import burnt, strokes, words
from models.training.drawn.card import Card, blend
from models.training.drawn.clocks import Overlay, lay, overlay, text
from models.training.drawn.hung import hang
from models.training.drawn.lettering import PENS, TRUETYPE, Hand, any_hand, line
from models.training.drawn.picture import drawn_picture
from models.training.drawn.plates import plate
from models.training.drawn.signs import sign
from models.training.drawn.textures import texture
from models.training.pairs import pair
from models.training.pictures import Pictures


def ground(seed: int = 0, size: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 190, (size, size, 3), np.uint8)


def test_equal_seeds_give_equal_pictures_and_others_do_not() -> None:
    for make in (
        lambda rng: drawn_picture(rng, 96, 4),
        lambda rng: drawn_picture(rng, 96, 2, ground()),
        lambda rng: texture(rng, 64, 4),
    ):
        first = [make(np.random.default_rng(seed)) for seed in range(12)]
        again = [make(np.random.default_rng(seed)) for seed in reversed(range(12))][::-1]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert len({a.tobytes() for a in first}) == 12


@pytest.mark.parametrize(("size", "scale"), [(72, 2), (96, 4), (120, 3)])
def test_pictures_have_the_size_asked_for_and_leave_their_ground_alone(size: int, scale: int) -> None:
    below = ground(1, size)
    for seed in range(10):
        for under in (None, below):
            picture = drawn_picture(np.random.default_rng((size, seed)), size, scale, under)
            assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
            assert picture.std() > 1
    assert np.array_equal(below, ground(1, size))


@pytest.mark.parametrize("face", [*TRUETYPE, *PENS])
def test_a_line_fills_its_height_and_its_signs_stand_apart(face: str) -> None:
    mask = line("HIH", 40, Hand(face=face, weight=1, spacing=0.3))
    assert mask.shape[0] == 40
    middle = mask[30] > 127  # below the bars of the Hs: two posts, one, two
    assert np.count_nonzero(np.diff(middle.astype(int)) == 1) == 5
    assert min(mask[:2].max(), mask[-2:].max()) > 127
    bold = line("HIH", 40, Hand(face=face, weight=5, spacing=0.3))
    assert face == "uni" or bold.mean() > mask.mean() * 1.15  # that face has one weight


def test_lettering_leans_stretches_and_keeps_a_pitch() -> None:
    plain = Hand(face="sans")
    assert line("AB12", 30, Hand(face="sans", stretch=0.7)).shape[1] < 0.75 * line("AB12", 30, plain).shape[1]
    upright, leaning = line("I", 60, plain), line("I", 60, Hand(face="sans", slant=0.3))
    foot, head = (float(np.argmax(leaning[row])) for row in (58, 2))
    assert head - foot > 8 > abs(float(np.argmax(upright[58])) - float(np.argmax(upright[2])))
    pitched = Hand(face="sans", pitch=True)
    assert line("1W1", 30, plain).shape[1] < line("1W1", 30, pitched).shape[1] == line("WWW", 30, pitched).shape[1]


def test_every_sign_of_our_strokes_differs_from_every_other() -> None:
    signs = set("ABCDEFGHIJKLMNPQRSTUVWXYZ0123456789-/:.+()#_")  # O is 0
    seen = {strokes.dots(sign).tobytes() for sign in signs}
    assert len(seen) == len(signs)
    assert strokes.dots("A").shape == (7, 6)


def test_rounding_takes_bows_off_their_corners_and_leaves_right_angles() -> None:
    assert {(0.0, 0.0), (0.0, 3.0)} <= set(strokes.strokes("5", 2)[0])
    assert (4.0, 1.0) not in strokes.strokes("S", 2)[0][1:]
    assert len(strokes.strokes("0", 1)[0]) > len(strokes.strokes("0")[0])


def test_numbers_follow_their_pattern_and_clocks_are_in_the_dot_matrix() -> None:
    rng = np.random.default_rng(0)
    number = words.filled(rng, "LL-DD G")
    assert number[:2].isalpha()
    assert number[3:5].isdigit()
    assert number[2] == "-"
    assert all(strokes.can(text(rng)) for _ in range(60))


@pytest.mark.parametrize("make", [plate, sign])
def test_cards_carry_strokes_that_stand_out(make: object) -> None:
    assert callable(make)
    for seed in range(24):
        card = make(np.random.default_rng(seed))
        assert isinstance(card, Card)
        assert card.pixels.shape[:2] == card.shape.shape
        grey = cv2.cvtColor(card.pixels, cv2.COLOR_RGB2GRAY).astype(int)
        inside = grey[card.shape > 200]
        assert np.percentile(inside, 99.5) - np.percentile(inside, 0.5) > 50
        assert sum(np.count_nonzero(np.abs(np.diff(grey, axis=axis)) > 25) for axis in (0, 1)) > 100


def test_what_is_hung_shows_where_it_hangs_and_nowhere_else() -> None:
    card = Card.blank(40, 80, (255, 0, 255))
    for seed in range(20):
        image = np.full((96, 96, 3), 128, np.uint8)
        hang(image, card, np.random.default_rng(seed), 24.0)
        pink = (image[..., 0].astype(int) - image[..., 1]) > 60
        assert 24 * 48 * 0.3 < np.count_nonzero(pink) < 24 * 48 * 1.6
        assert np.count_nonzero((image == 128).all(axis=-1)) > 96 * 96 * 0.4
    far, near = blend(image, np.array((10, 20, 30), np.int32), np.zeros((96, 96), np.uint8)), image
    assert np.array_equal(far, near)


def test_an_overlay_says_the_same_in_both_sizes() -> None:
    for seed in range(30):
        over = overlay(np.random.default_rng(seed), 60, 44, 4)
        for small, large in zip(over.low, over.high, strict=True):
            assert (small.mask.shape, large.mask.shape) == ((44, 60), (176, 240))
            shrunk = cv2.resize(large.mask, (60, 44), interpolation=cv2.INTER_AREA).astype(float)
            both = small.mask.astype(float)
            if min(shrunk.std(), both.std()) < 1:
                continue
            assert np.corrcoef(shrunk.ravel(), both.ravel())[0, 1] > 0.75


@pytest.mark.parametrize("profile", ["clean-bicubic", "surveillance-crf28", "blur-only", "surveillance-night-ir"])
def test_a_recorder_writes_after_the_optics_and_before_the_codec(profile: str) -> None:
    image = np.full((96, 96, 3), 90, np.uint8)
    over = next(o for o in (overlay(np.random.default_rng(s), 24, 24, 4) for s in range(99)) if _white(o))
    found = burnt.degrade(image, profile, 4, 5, over)
    again = burnt.degrade(image, profile, 4, 5, over)
    assert (found.low.shape, found.target.shape) == ((24, 24, 3), (96, 96, 3))
    assert np.array_equal(found.low, again.low)
    written = over.low[-1].mask == 255
    without = profiles.degrade(image, profile, 4, 5)
    assert found.low[written].mean() > without.low[written].mean() + 80
    assert found.target[over.high[-1].mask == 255].min() == 255


def test_a_profile_with_its_own_way_takes_the_writing_with_the_scene() -> None:
    image, over = ground(3), overlay(np.random.default_rng(2), 24, 24, 4)
    assert burnt.degrade(image, "surveillance", 4, 1, over).low.shape == (24, 24, 3)
    plain = np.zeros((4, 4, 3), np.float32)
    assert np.array_equal(lay(plain, ()), plain)


def test_the_sheet_shows_a_row_a_kind() -> None:
    sheet = sheets.sheet([], 1)
    assert sheet.shape == (len(sheets.ROWS) * sheets.SIZE, sheets.COLUMNS * sheets.SIZE, 3)
    assert any_hand(np.random.default_rng(0)) == any_hand(np.random.default_rng(0))


def test_pairs_with_something_drawn_are_registered_and_depend_on_the_seed_alone() -> None:
    pixels = np.concatenate([cv2.GaussianBlur(ground(seed, 260), (0, 0), 3).ravel() for seed in range(2)])
    pictures = Pictures(pixels, ((260, 260), (260, 260)), (0, 260 * 260 * 3), {"MIT": 2})
    mix = {"clean-bicubic": 1.0}
    found = [pair(pictures, np.random.default_rng(seed), 4, 24, mix, drawn=1.0) for seed in range(16)]
    for seed, (low, target) in enumerate(found):
        assert (low.shape, target.shape) == ((24, 24, 3), (96, 96, 3))
        assert np.array_equal(low, pair(pictures, np.random.default_rng(seed), 4, 24, mix, drawn=1.0)[0])
        shrunk = cv2.resize(target, (24, 24), interpolation=cv2.INTER_AREA)
        assert shrunk.std() < 3 or np.corrcoef(shrunk.ravel(), low.ravel())[0, 1] > 0.85
    plain = [pair(pictures, np.random.default_rng(seed), 4, 24, mix, drawn=0.0)[1] for seed in range(16)]
    assert np.mean([t.std() for _, t in found]) > 2 * np.mean([t.std() for t in plain])


def _white(over: Overlay) -> bool:
    top = over.low[-1]
    return top.colour == (255, 255, 255) and np.count_nonzero(top.mask == 255) > 30
