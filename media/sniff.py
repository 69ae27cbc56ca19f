"""What kind of file the first bytes say it is. Knows nothing of FFmpeg: decides whether FFmpeg sees it at all."""

from __future__ import annotations

from media.types import MediaError

HEAD_BYTES = 64 * 1024  # transport streams are recognised by packets in a row, which may begin late
ACCEPTED = "MP4, MOV, MKV, WebM, MPEG-TS, MPEG-PS, AVI, FLV and ASF/WMV"
REMEDY = f"Accepted are {ACCEPTED}; export or convert the clip to one of these."

BOX_TYPES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx")
IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"crx ", b"jxl ")
AUDIO_BRANDS = (b"M4A ", b"M4B ")
ASF_GUID = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image (or a bare stream of them)"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
)
OTHERS = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF document"),
    (b"MZ", "a Windows program (some recorders export clips inside a player; export the bare clip)"),
    (b"\x7fELF", "a program"),
    (b"ID3", "an MP3 sound file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC sound file"),
    (b"DHAV", "a Dahua .dav recording (export it as MP4 or AVI)"),
    (b"\x00\x00\x00\x01", "a bare H.264/H.265 stream, which has no timestamps (wrap it as MKV or MP4)"),
    (b"\x00\x00\x01\xb3", "a bare MPEG video stream, which has no timestamps (wrap it as MPEG-PS or MKV)"),
)
TS_STRIDES = (188, 192, 204)  # plain, with a time code before each packet (M2TS), with error correction after it
TS_SYNC = 0x47
TS_IN_A_ROW = 8
TS_NEEDED = 7  # one damaged packet is forgiven


def sniff(head: bytes) -> str:
    """FFmpeg's demuxer for a file that begins with `head` (its first HEAD_BYTES): "mov", "matroska", ...

    Raises MediaError "empty-file" or "unsupported-format", naming what the file seems to be.
    """
    if not head:
        raise MediaError("empty-file", "The file is empty (0 bytes); upload it again.")
    if (name := _container(head)) is not None:
        return name
    raise MediaError("unsupported-format", f"The file is {_guess(head)}, not a video. {REMEDY}")


def _container(head: bytes) -> str | None:
    if head[4:8] in BOX_TYPES:
        brand = head[8:12] if head[4:8] == b"ftyp" else b""
        if brand in IMAGE_BRANDS:
            kind = brand.decode("ascii").strip()
            raise MediaError("unsupported-format", f"The file is a still image ({kind}), not a video. {REMEDY}")
        if brand in AUDIO_BRANDS:
            raise MediaError("no-video", "The file holds sound only (M4A); a clip with a video stream is needed.")
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "mpeg"
    if head.startswith(ASF_GUID):
        return "asf"
    return "mpegts" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    """True where packets' sync bytes stand in a row, or, in a tiny file, from the first byte to the last packet."""
    for stride in TS_STRIDES:
        if stride * TS_IN_A_ROW > len(head):
            starts = [o for o in (0, 4) if len(head) >= stride and all(b == TS_SYNC for b in head[o::stride])]
            if starts:
                return True
            continue
        for offset in range(min(len(head) - stride * TS_IN_A_ROW, 16 * stride)):
            syncs = head[offset : offset + stride * TS_IN_A_ROW : stride]
            if head[offset] == TS_SYNC and syncs.count(TS_SYNC) >= TS_NEEDED:
                return True
    return False


def _guess(head: bytes) -> str:
    """What the file seems to be, for people."""
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if stripped.startswith(b"#EXTM3U"):
        return "a playlist (M3U8), which only names other files"
    if stripped.startswith((b"ffconcat", b"file '", b"file ")):
        return "a concat script, which only names other files"
    if stripped.startswith(b"v=0"):
        return "an SDP session description, which only names a network stream"
    if stripped.startswith((b"<", b"[playlist]")):
        return "a text document (XML, HTML or a playlist)"
    if head.startswith(b"RIFF"):
        return {b"WAVE": "a WAV sound file", b"WEBP": "a WebP image"}.get(head[8:12], "a RIFF file of an unknown kind")
    for magic, name in (*IMAGES, *OTHERS):
        if head.startswith(magic):
            return name
    if not any(head):
        return "filled with zeros at its beginning (an interrupted copy?)"
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:4096])
    if printable > 0.95 * len(head[:4096]):
        return "a text file"
    return "of an unknown kind"
