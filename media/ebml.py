"""EBML elements, the boxes Matroska files are made of: parse and encode bytes. Knows no element's meaning.

Source: RFC 8794. Sizes may take more bytes than they need; what is encoded here takes the fewest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

VOID = 0xEC  # an element to be passed over, of any size
MAX_VINT = 8


class EbmlError(ValueError):
    """Bytes are not the elements they should be."""


@dataclass(frozen=True, slots=True)
class Element:
    id: int
    data: bytes

    @property
    def number(self) -> int:
        """The payload as an unsigned integer."""
        return int.from_bytes(self.data, "big")

    def encode(self) -> bytes:
        return encode_id(self.id) + encode_size(len(self.data)) + self.data


def parse(data: bytes) -> list[Element]:
    """The elements that stand one after the other in `data`. Raises EbmlError where one is cut short."""
    elements = []
    at = 0
    while at < len(data):
        id, at = _vint(data, at, marked=True)
        size, at = _vint(data, at, marked=False)
        if at + size > len(data):
            raise EbmlError(f"element {id:#x} of {size} bytes has only {len(data) - at}")
        elements.append(Element(id, data[at : at + size]))
        at += size
    return elements


def read_header(file: BinaryIO) -> tuple[int, int]:
    """(id, size) of the element whose header starts where `file` stands; leaves it at the payload."""
    start = file.tell()
    head = file.read(12)
    id, at = _vint(head, 0, marked=True)
    size, at = _vint(head, at, marked=False)
    file.seek(start + at)
    return id, size


def encode_all(elements: list[Element]) -> bytes:
    return b"".join(element.encode() for element in elements)


def encode_id(id: int) -> bytes:
    return id.to_bytes((id.bit_length() + 7) // 8, "big")


def encode_size(size: int) -> bytes:
    for length in range(1, MAX_VINT + 1):
        if size < (1 << 7 * length) - 1:  # all ones means "unknown"
            return (size | 1 << 7 * length).to_bytes(length, "big")
    raise EbmlError(f"a payload of {size} bytes is too large")


def unsigned(id: int, number: int) -> Element:
    return Element(id, number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))


def void(total: int) -> bytes:
    """An element of `total` bytes, header included, to be passed over. Raises EbmlError where total is 1."""
    if total == 0:
        return b""
    for length in range(1, MAX_VINT + 1):
        size = total - 1 - length
        if 0 <= size < (1 << 7 * length) - 1:
            return encode_id(VOID) + (size | 1 << 7 * length).to_bytes(length, "big") + bytes(size)
    raise EbmlError(f"no element takes {total} bytes")


def _vint(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A variable-length integer and where it ends. marked: with the bit that tells its length, as ids are written."""
    if at >= len(data) or not data[at]:
        raise EbmlError("an element's header is cut short or damaged")
    length = MAX_VINT + 1 - data[at].bit_length()
    if at + length > len(data):
        raise EbmlError("an element's header is cut short")
    number = int.from_bytes(data[at : at + length], "big")
    return (number if marked else number & ((1 << 7 * length) - 1)), at + length
