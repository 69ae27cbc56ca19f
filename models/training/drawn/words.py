"""Made-up words, names and numbers. None is taken from anywhere; any that exists does so by chance."""

from __future__ import annotations

import numpy as np

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
DIGITS = "0123456789"
_ONSETS = ("b", "br", "c", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "w", "z")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou", "ie")
_CODAS = ("", "", "l", "n", "r", "s", "t", "nd", "rk", "m")
_HAN = "京沪粤川津渝冀豫云辽黑湘皖鲁苏浙赣鄂桂甘晋陕吉闽贵青大中山水木火土金日月店食品药书車花"
_KANA = "あいうえかきくけこさすせそたちつてとなにぬねのはひふほまみむめもやゆよらりるれろわ"
_HANGUL = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"


def word(rng: np.random.Generator, syllables: int | None = None) -> str:
    count = syllables or int(rng.integers(1, 4))
    return "".join(_pick(rng, _ONSETS) + _pick(rng, _VOWELS) + _pick(rng, _CODAS) for _ in range(count))


def cased(rng: np.random.Generator, text: str) -> str:
    return text.upper() if rng.random() < 0.5 else text.capitalize()


def filled(rng: np.random.Generator, pattern: str) -> str:
    """L becomes a letter, D a digit, H, K and G a Chinese, Japanese and Korean sign; the rest stays."""
    kinds = {"L": LETTERS, "D": DIGITS, "H": _HAN, "K": _KANA, "G": _HANGUL}
    return "".join(_pick(rng, kinds[sign]) if sign in kinds else sign for sign in pattern)


def eastern(rng: np.random.Generator) -> str:
    return filled(rng, str(rng.choice(["HH", "HHH", "HHHH", "KKK", "GGG", "HKK"])))


def _pick(rng: np.random.Generator, options: str | tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
