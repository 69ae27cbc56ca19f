"""A synthetic street as a fixed camera sees it: clean frames for tests, benchmarks and the demonstration.

Pure drawing from a seed; knows nothing of files or codecs. Everything is drawn at twice the size and averaged down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np

from media.scene_car import car
from media.scene_parts import (
    FRONT_PPM,
    GROUND_PPM,
    HOUSES,
    PAINTS,
    PLATES,
    SPRITE_PPM,
    Picture,
    Sprite,
    front,
    ground,
    mipmaps,
    text,
    tree,
)
from media.types import Image

SUPERSAMPLING = 2
CAMERA_HEIGHT = 4.2  # metres
FOCAL = 1.1  # widths of the picture
HORIZON = 0.16  # of the picture's height, from its top
NEAR, FAR = 6.0, 62.0  # metres
FRONT_HEIGHT = 11.5
START = datetime(2024, 3, 1, 10, 11, 12)
CAMERA_NAME = "CAM 07  MARKET ST"
SUB = 4  # bits of sub-pixel positions
SHIRTS = ((170, 44, 52), (44, 84, 150), (222, 186, 60), (60, 120, 84), (200, 200, 206))


@dataclass(frozen=True, slots=True)
class Thing:
    """A car or a tree at `x` metres right of the middle and `z` metres ahead, moving away at `speed` m/s."""

    sprite: Sprite
    x: float
    z: float
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class Walker:
    x: float
    z: float
    speed: float
    shirt: tuple[int, int, int]
    phase: float


def frame(index: int, width: int, height: int, fps: Fraction, seed: int = 1) -> Image:
    """Frame number `index` of the clean scene: (height, width, 3) uint8 RGB. The same arguments give the same bytes."""
    return scene(width, height, seed).draw(index / fps)


@lru_cache(maxsize=2)
def scene(width: int, height: int, seed: int) -> Scene:
    return Scene(width, height, seed)


class Scene:
    """The street at one size. Textures and sprites are made once."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width * SUPERSAMPLING, height * SUPERSAMPLING
        self._focal = FOCAL * self.width
        self._horizon = HORIZON * self.height
        rng = np.random.default_rng(seed)
        self._background = self._backdrop(rng)
        self._canvas = np.empty_like(self._background)
        plates = [str(plate) for plate in rng.permutation(PLATES)]
        paints = rng.permutation(len(PAINTS))
        rears = [car(PAINTS[paints[n % 6]], plates[n % 6], rear=True) for n in range(3)]
        faces = [car(PAINTS[paints[(n + 3) % 6]], plates[(n + 3) % 6], rear=False) for n in range(3)]
        trees = [tree(rng) for _ in range(2)]
        self._things = [
            Thing(rears[0], 4.7, 13.5),
            Thing(rears[1], 4.7, 20.5),
            Thing(rears[2], 4.7, 34.0),
            Thing(faces[1], -4.7, 17.0),
            Thing(faces[2], -4.7, 24.5),
            Thing(faces[0], -4.7, 38.0),
            Thing(faces[0], -1.8, 21.0, -2.6),
            Thing(faces[2], -1.8, 46.0, -4.0),
            Thing(rears[1], 1.9, 14.5, 2.2),
            *(Thing(trees[n % 2], side * 6.5, z) for n, (side, z) in enumerate(((-1, 21), (1, 27), (-1, 33), (1, 44)))),
        ]
        self._walkers = [
            Walker(-6.9, 19.5, -0.9, SHIRTS[0], 0.0),
            Walker(6.7, 17.0, 0.9, SHIRTS[1], 0.4),
            Walker(-7.3, 29.0, 1.1, SHIRTS[2], 0.2),
            Walker(7.2, 30.0, -1.0, SHIRTS[3], 0.7),
            Walker(7.5, 23.0, -1.2, SHIRTS[4], 0.1),
        ]
        self._car_shadow, self._walker_shadow = shadow(2.3), shadow(0.8)

    def draw(self, seconds: Fraction) -> Image:
        """The scene at a time, (height, width, 3) uint8 RGB."""
        time = float(seconds)
        canvas = self._canvas
        np.copyto(canvas, self._background)
        for z, thing in sorted(((item.z + item.speed * time, item) for item in self._all()), key=lambda p: -p[0]):
            if not NEAR < z < FAR:
                continue
            if isinstance(thing, Thing):
                self._paste(canvas, self._car_shadow, thing.x, z, below=0.16)
                self._paste(canvas, thing.sprite, thing.x, z)
            else:
                self._walk(canvas, thing, z, time)
        small = cv2.resize(
            canvas, (self.width // SUPERSAMPLING, self.height // SUPERSAMPLING), interpolation=cv2.INTER_AREA
        )
        overlay(small, START + timedelta(seconds=int(seconds)))
        return small

    def _all(self) -> list[Thing | Walker]:
        return [*self._things, *self._walkers]

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Metres to pixels of the supersampled canvas. The camera looks level, through a lens shifted downwards."""
        scale = self._focal / z
        return self.width / 2 + x * scale, self._horizon + (CAMERA_HEIGHT - y) * scale

    def _backdrop(self, rng: np.random.Generator) -> Picture:
        sky = np.linspace(0, 1, self.height)[:, None, None] * 3
        tones = (1 - sky.clip(0, 1)) * np.array([150, 176, 206]) + sky.clip(0, 1) * np.array([222, 226, 228])
        canvas = np.ascontiguousarray(np.broadcast_to(tones.astype(np.uint8), (self.height, self.width, 3)))
        end = front(rng, 2 * HOUSES + 8, FRONT_HEIGHT)
        half = HOUSES + 4
        self._plane(
            canvas, end, [(-half, FRONT_HEIGHT, FAR), (half, FRONT_HEIGHT, FAR), (half, 0, FAR), (-half, 0, FAR)]
        )
        street = ground(rng, FAR - NEAR)
        self._plane(canvas, street, [(-HOUSES, 0, FAR), (HOUSES, 0, FAR), (HOUSES, 0, NEAR), (-HOUSES, 0, NEAR)])
        for side in (-1, 1):
            row = front(rng, FAR - NEAR, FRONT_HEIGHT)
            if side < 0:
                row = cv2.convertScaleAbs(row, alpha=0.82)  # the sun stands on the left
            begin, finish = (NEAR, FAR) if side < 0 else (FAR, NEAR)
            x = side * HOUSES
            self._plane(
                canvas, row, [(x, FRONT_HEIGHT, begin), (x, FRONT_HEIGHT, finish), (x, 0, finish), (x, 0, begin)]
            )
        return canvas

    def _plane(self, canvas: Picture, texture: Picture, corners: list[tuple[float, float, float]]) -> None:
        """Lay a texture over a quadrilateral: corners from its top left, clockwise.

        Far parts are taken from a blurred copy, so that they do not alias.
        """
        rows, columns = texture.shape[:2]
        flat = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
        seen = np.array([self.project(*corner) for corner in corners], np.float32)
        distance = np.array([[corners[0][2], corners[1][2]], [corners[3][2], corners[2][2]]], np.float32)
        depth = cv2.resize(distance, (columns, rows), interpolation=cv2.INTER_LINEAR)
        density = GROUND_PPM if corners[0][1] == 0 else FRONT_PPM
        reduction = depth * np.float32(density / self._focal / 2)
        soft = cv2.GaussianBlur(texture, (0, 0), 1.2)
        softer = cv2.GaussianBlur(texture, (0, 0), 3)
        mix = np.clip(reduction - 0.3, 0, 1)
        more = np.clip(reduction - 1.0, 0, 1)
        blended = cv2.blendLinear(texture, soft, 1 - mix, mix)
        blended = cv2.blendLinear(blended, softer, 1 - more, more)
        transform = cv2.getPerspectiveTransform(flat, seen)
        size = (self.width, self.height)
        drawn = cv2.warpPerspective(blended, transform, size, flags=cv2.INTER_LINEAR)
        mask = cv2.warpPerspective(np.full((rows, columns), 255, np.uint8), transform, size, flags=cv2.INTER_LINEAR)
        np.copyto(canvas, drawn, where=(mask > 127)[..., None])

    def _paste(self, canvas: Picture, sprite: Sprite, x: float, z: float, below: float = 0.0) -> None:
        """Blend a sprite standing on the ground at (x, z), to a fraction of a pixel."""
        wanted = self._focal / z  # pixels a metre
        level = 0
        while level + 1 < len(sprite.levels) and SPRITE_PPM / 2 ** (level + 1) >= wanted:
            level += 1
        picture = sprite.levels[level]
        scale = wanted / SPRITE_PPM * 2**level
        foot_x, foot_y = self.project(x, -below, z)
        left, top = foot_x - picture.shape[1] * scale / 2, foot_y - picture.shape[0] * scale
        x0, y0 = max(0, int(left)), max(0, int(top))
        x1, y1 = (
            min(self.width, int(left + picture.shape[1] * scale) + 2),
            min(self.height, int(top + picture.shape[0] * scale) + 2),
        )
        if x1 <= x0 or y1 <= y0:
            return
        place = np.array([[scale, 0, left - x0], [0, scale, top - y0]])
        drawn = cv2.warpAffine(picture, place, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        region = canvas[y0:y1, x0:x1]
        clear = cv2.merge([cv2.bitwise_not(drawn[..., 3])] * 3)
        behind = cv2.multiply(np.ascontiguousarray(region), clear, scale=1 / 255)
        region[:] = cv2.add(behind, cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB))

    def _walk(self, canvas: Picture, walker: Walker, z: float, time: float) -> None:
        """A person of 1.75 m whose legs and arms swing with the way walked."""
        swing = np.sin(2 * np.pi * (abs(walker.speed) * time / 1.4 + walker.phase))
        scale = self._focal / z

        def limb(points: list[tuple[float, float]], thick: float, colour: tuple[int, int, int]) -> None:
            seen = [self.project(walker.x + x, y, z) for x, y in points]
            line = np.array([[x * (1 << SUB), y * (1 << SUB)] for x, y in seen], np.int32)
            cv2.polylines(canvas, [line], False, colour, max(1, round(thick * scale)), cv2.LINE_AA, SUB)

        self._paste(canvas, self._walker_shadow, walker.x, z, below=0.1)
        for side in (-1, 1):
            lift = max(0.0, side * swing) * 0.12
            limb([(side * 0.08, 0.85), (side * 0.10, 0.45 + lift / 2), (side * 0.10, 0.06 + lift)], 0.13, (44, 48, 62))
            limb([(side * 0.22, 1.38), (side * 0.27, 1.10), (side * 0.25 - 0.04 * swing, 0.86)], 0.09, walker.shirt)
        limb([(0, 1.32), (0, 0.95)], 0.36, walker.shirt)
        limb([(0, 1.46), (0, 1.50)], 0.12, (206, 164, 138))
        limb([(0, 1.60), (0, 1.66)], 0.18, (206, 164, 138))
        limb([(0, 1.69), (0, 1.71)], 0.18, (58, 42, 32))


def shadow(width: float) -> Sprite:
    """A soft dark patch."""
    rows, columns = round(0.36 * SPRITE_PPM), round(width * SPRITE_PPM)
    picture = np.zeros((rows, columns, 4), np.uint8)
    picture[..., :3] = 18
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    picture[..., 3] = 165 * np.clip(1.15 - (x**4 + y**2), 0, 1)
    return mipmaps(picture)


def overlay(image: Picture, moment: datetime) -> None:
    """The burned-in clock and name of the camera."""
    height, width = image.shape[:2]
    size = height * 0.033
    for words, x, y in (
        (moment.strftime("%Y-%m-%d  %H:%M:%S"), 0.16, 0.05),
        (CAMERA_NAME, 0.86, 0.95),
    ):
        bold = max(1, round(height / 360))
        text(image, words, (width * x, height * y), size, (12, 12, 12), bold * 3)
        text(image, words, (width * x, height * y), size, (250, 250, 250), bold)
