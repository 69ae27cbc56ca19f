"""Scalars in TensorBoard's event files, without TensorBoard. Knows nothing of training.

The format: records of length, masked CRC-32C of the length, an Event message, masked CRC-32C of it (TFRecord); the
messages are protocol buffers of four fields, written out here by hand. `tensorboard --logdir OUT` reads them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

VERSION = b"brain.Event:2"
POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reflected


def append(path: Path, step: int, values: Mapping[str, float], wall: float | None = None) -> None:
    """Add one event with all `values` to the file, which is begun if it is not there."""
    now = time.time() if wall is None else wall
    with path.open("ab") as file:
        if file.tell() == 0:
            file.write(record(_double(1, now) + _bytes(3, VERSION)))
        summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in values.items())
        file.write(record(_double(1, now) + _varint(2 << 3) + _varint(step) + _bytes(5, summary)))


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def masked(data: bytes) -> int:
    """CRC-32C, turned by 15 bits and shifted, as TFRecord has it: a checksum of data that holds checksums."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    table = _table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
        entries.append(byte)
    return tuple(entries)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
