"""A multipart/form-data body taken apart as it arrives: fields kept, the file handed on. Touches no disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.problems import ProblemError

FILE_FIELD = "file"
MAX_FIELDS = 32
MAX_FIELD_BYTES = 1024
OVERHEAD_BYTES = 64 * 1024  # what a body may have beside the file: fields, headers, boundaries

Fields = dict[str, str]


class MultipartReader:
    """Reads one body. `on_file(filename, fields so far)` is called when the file begins, `on_data` with its bytes."""

    def __init__(
        self,
        content_type: str,
        on_file: Callable[[str, Fields], Awaitable[None]],
        on_data: Callable[[bytes], Awaitable[None]],
    ) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise ProblemError("malformed-multipart", "the Content-Type names no boundary")
        self.fields: Fields = {}
        self._on_file, self._on_data = on_file, on_data
        self._events: list[tuple[str, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._part: str | None = None  # name of the part being read
        self._value = bytearray()
        self._in_file = self._seen_file = self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_data,
                    "on_header_end": self._header_end,
                    "on_headers_finished": lambda: self._note("part"),
                    "on_part_data": lambda data, start, end: self._note("data", data[start:end]),
                    "on_part_end": lambda: self._note("end"),
                    "on_end": lambda: self._note("close"),
                },
            )
        except FormParserError:
            raise ProblemError("malformed-multipart", "the boundary is too long") from None

    async def read(self, body: AsyncIterator[bytes]) -> Fields:
        """Reads to the end and returns the fields. Raises ProblemError, and what the callbacks raise."""
        async for chunk in body:
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise _malformed(str(error)) from None
            events, self._events = self._events, []
            for kind, data in events:
                await self._handle(kind, data)
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        if not self._seen_file:
            raise ProblemError("missing-file", f"the form has no part named {FILE_FIELD!r}; send the clip in it")
        return self.fields

    async def _handle(self, kind: str, data: bytes) -> None:
        if kind == "headers":
            await self._begin_part(data)
        elif kind == "data" and self._in_file:
            await self._on_data(data)
        elif kind == "data":
            self._value += data
            if len(self._value) > MAX_FIELD_BYTES:
                raise _invalid(self._part, f"the field is longer than {MAX_FIELD_BYTES} bytes")
        elif kind == "end":
            self._end_part()
        elif kind == "close":
            self._ended = True

    async def _begin_part(self, disposition: bytes) -> None:
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part has no Content-Disposition: form-data with a name")
        name = self._part = options[b"name"].decode("utf-8", "replace")
        self._value.clear()
        self._in_file = name == FILE_FIELD
        if self._in_file:
            if self._seen_file:
                raise _invalid(name, "send exactly one file")
            self._seen_file = True
            await self._on_file(options.get(b"filename", b"").decode("utf-8", "replace"), dict(self.fields))
        elif b"filename" in options:
            raise _invalid(name, f"files are taken in the part {FILE_FIELD!r} only")
        elif name in self.fields:
            raise _invalid(name, "the field is there twice")
        elif len(self.fields) >= MAX_FIELDS:
            raise _invalid(name, f"the form has more than {MAX_FIELDS} fields")

    def _end_part(self) -> None:
        if not self._in_file and self._part is not None:
            try:
                self.fields[self._part] = self._value.decode("utf-8")
            except UnicodeDecodeError:
                raise _invalid(self._part, "the field is not UTF-8 text") from None
        self._part, self._in_file = None, False

    def _note(self, kind: str, data: bytes = b"") -> None:
        if kind == "part":
            disposition = self._headers.get(b"content-disposition", b"")
            self._headers = {}
            self._events.append(("headers", disposition))
        else:
            self._events.append((kind, data))

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""


def _malformed(why: str) -> ProblemError:
    return ProblemError("malformed-multipart", f"the multipart body cannot be read: {why}")


def _invalid(field: str | None, why: str) -> ProblemError:
    name = (field or "")[:64]
    return ProblemError("invalid-request", f"{name}: {why}", errors=[{"field": name, "detail": why}])
