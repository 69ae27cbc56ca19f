"""The sheet for people: everything is on it, and so are the words that none of it is evidence."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pulse.search import STATEMENT, Candidate, Exploration
from models.pulse.sheet import INK, WARNING, draw

PURE = ((255, 0, 255), (0, 255, 255), (255, 255, 0), (0, 255, 0), (255, 128, 0))  # colours that nothing else has


def exploration(count: int, size: int = 32, error: float = 1e-3) -> Exploration:
    candidates = tuple(
        Candidate(
            number=i,
            image=np.full((size, size, 3), PURE[i % 5], np.float32) / np.float32(255),
            downscaled=np.full((8, 8, 3), PURE[i % 5], np.float32) / np.float32(510),
            error=error,
            explains=error <= 2e-3,
            runs=1,
            diverged=False,
            curve=(error,),
        )
        for i in range(count)
    )
    spread = np.linspace(0, 0.2, size * size, dtype=np.float32).reshape(size, size)
    return Exploration(candidates, (), spread, np.zeros((count, count), np.float32), 2e-3)


def count_of(sheet: NDArray[np.uint8], colour: tuple[int, ...]) -> int:
    return int((sheet == np.array(colour, np.uint8)).all(axis=2).sum())


def test_observed_candidates_downscales_and_spread_are_on_the_sheet() -> None:
    observed = np.full((8, 8, 3), (10, 90, 200), np.uint8)
    sheet = draw(exploration(5), observed)
    assert sheet.dtype == np.uint8
    area = count_of(sheet, (10, 90, 200))
    assert area == 224 * 224
    for colour in PURE:
        assert count_of(sheet, colour) == area
        assert count_of(sheet, tuple(round(value / 2 + 1e-9) for value in colour)) == area
    grey = sheet[(sheet == sheet[..., :1]).all(axis=2)][:, 0]
    assert len(np.unique(grey)) > 200  # the spread, from black to white
    assert draw(exploration(4), observed).shape[0] < sheet.shape[0]
    assert draw(exploration(1), observed).shape[1] < sheet.shape[1]


def test_large_pictures_are_drawn_smaller() -> None:
    sheet = draw(exploration(2, size=512), np.zeros((64, 64, 3), np.uint16))
    assert count_of(sheet, PURE[0]) == 256 * 256


def test_the_statement_is_drawn_first_and_can_all_be_drawn() -> None:
    sheet = draw(exploration(2), np.zeros((8, 8, 3), np.uint8))
    assert STATEMENT.isascii()
    assert "evidence" in STATEMENT
    # Letters are smoothed, so few of their pixels have the full colour: the words are where red dominates.
    assert ((sheet[:100, :, 0] > 150) & (sheet[:100, :, 1] < 128)).sum() > 500
    assert not count_of(sheet[:30], INK)
    # No line is cut off: the right margin stays empty.
    assert (sheet[:, -8:] == 255).all()
    with_words = draw(exploration(2), np.zeros((8, 8, 3), np.uint8), ("Frame 7 of a clip – and no more.",))
    assert with_words.shape[0] > sheet.shape[0]


def test_candidates_that_do_not_explain_are_marked() -> None:
    good, bad = (draw(exploration(2, error=error), np.zeros((8, 8, 3), np.uint8)) for error in (1e-3, 5e-2))
    assert count_of(bad[200:], WARNING) > count_of(good[200:], WARNING) == 0


def test_candidates_that_came_to_nothing_are_named() -> None:
    some = replace(exploration(2), diverged=(2, 5))
    plain, named = (draw(each, np.zeros((8, 8, 3), np.uint8)) for each in (exploration(2), some))
    assert named.shape[0] > plain.shape[0]


def test_sheets_can_be_written_as_png() -> None:
    sheet = draw(exploration(3), np.zeros((8, 8, 3), np.uint8))
    ok, encoded = cv2.imencode(".png", sheet[..., ::-1])
    assert ok
    again = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert again is not None
    assert np.array_equal(again[..., ::-1], sheet)
