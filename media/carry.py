"""What goes along from a source into the enhanced clip besides its picture: sound, subtitles, chapters, dates.

Decides and sets up streams; moves no packets. Everything left out is named, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from media.audio import AudioTranscoder

# Codecs that players expect in MP4. FFmpeg would also write PCM there (ISO 23003-5), which hardly anything plays.
MP4_AUDIO = frozenset(("aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus"))
MP4_SUBTITLES = frozenset(("mov_text",))
CHAPTER_TRACK = "bin_data"  # how FFmpeg names the text track of an MP4 that holds its chapters
# Keys that describe the source's container and would be untrue, or are written by the muxer itself.
CONTAINER_KEYS = frozenset(("major_brand", "minor_version", "compatible_brands", "encoder", "duration"))
STREAM_KEYS = frozenset(("handler_name", "vendor_id", "encoder", "duration"))


@dataclass(slots=True)
class Carried:
    """The streams of the output that come of the source, by the source's stream index."""

    copies: dict[int, Stream] = field(default_factory=dict)
    transcoders: dict[int, AudioTranscoder] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def indices(self) -> set[int]:
        return {*self.copies, *self.transcoders}


def carry_streams(
    source: InputContainer,
    out: OutputContainer,
    container: str,
    video_index: int,
    keep_audio: bool,
    refused: str | None,
) -> Carried:
    """Add a stream to `out` for each stream of the source that `container` ("mp4" or "matroska") takes.

    refused: why nothing but the picture can go along, where that has turned out.
    """
    carried = Carried()
    for stream in source.streams:
        if stream.index == video_index:
            continue
        name = describe(stream)
        if refused is not None:
            carried.dropped.append(f"{name}: {refused}")
        elif isinstance(stream, AudioStream):
            if keep_audio:
                carry_audio(stream, out, container, carried, name)
            else:
                carried.dropped.append(f"{name}: left out at your request")
        elif stream.type == "subtitle" and (container == "matroska" or codec_of(stream) in MP4_SUBTITLES):
            carry_copy(stream, out, carried, name)
        elif isinstance(stream, AttachmentStream) and container == "matroska":
            out.add_attachment(stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data)
            carried.kept.append(f"{name}: copied")
        elif stream.type == "data" and "timecode" in stream.metadata:
            carried.kept.append(f"{name}: time code {stream.metadata['timecode']} is the video's")
        elif stream.type == "data" and stream.name == CHAPTER_TRACK and source.chapters():
            carried.kept.append(f"{name}: its chapters are the clip's")
        else:
            carried.dropped.append(f"{name}: {reason(stream, container)}")
    return carried


def carry_audio(stream: AudioStream, out: OutputContainer, container: str, carried: Carried, name: str) -> None:
    codec = codec_of(stream)
    if (container != "mp4" or codec in MP4_AUDIO) and carry_copy(stream, out, carried, name, last_resort=False):
        return
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        carried.dropped.append(f"{name}: its codec cannot be decoded")
        return
    target = "pcm_s16le" if container == "matroska" and codec.startswith("pcm_") else "aac"
    transcoder = AudioTranscoder(out, stream, target)
    copy_tags(stream, transcoder.stream)
    carried.transcoders[stream.index] = transcoder
    carried.kept.append(f"{name}: re-encoded as {target}, because {container_name(container)} does not take {codec}")


def carry_copy(stream: Stream, out: OutputContainer, carried: Carried, name: str, last_resort: bool = True) -> bool:
    try:
        copy = out.add_stream_from_template(stream, opaque=True)
    except ValueError:  # FFmpeg's muxer does not know the codec
        if last_resort:
            carried.dropped.append(f"{name}: the container does not take it")
        return False
    copy_tags(stream, copy)
    carried.copies[stream.index] = copy
    carried.kept.append(f"{name}: copied packet by packet")
    return True


def copy_tags(stream: Stream, copy: Stream) -> None:
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key.lower() not in STREAM_KEYS})
    copy.disposition = Disposition(stream.disposition)


def carry_tags(source: InputContainer, out: OutputContainer, video_index: int, video: Stream) -> None:
    """Dates, titles and chapters. Call before the first packet is muxed."""
    tags = {key: value for key, value in source.metadata.items() if key.lower() not in CONTAINER_KEYS}
    out.metadata.update(tags)
    copy_tags(source.streams[video_index], video)
    chapters = source.chapters()
    if chapters:
        out.set_chapters(chapters)


def lost_tags(source: InputContainer, out: InputContainer) -> list[str]:
    """What of the source's tags and chapters the finished output does not have."""
    kept = {key.lower() for key in out.metadata}
    lost = [
        f"tag {key!r}: the container has no place for it"
        for key in source.metadata
        if key.lower() not in kept | CONTAINER_KEYS
    ]
    if len(out.chapters()) != len(source.chapters()):
        lost.append(f"{len(source.chapters()) - len(out.chapters())} chapters: the container did not take them")
    return lost


def describe(stream: Stream) -> str:
    return f"stream {stream.index} ({stream.type}, {codec_of(stream) or 'unknown codec'})"


def codec_of(stream: Stream) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else stream.name or ""


def reason(stream: Stream, container: str) -> str:
    if stream.type == "video":
        cover = Disposition.attached_pic in stream.disposition
        return "a cover picture is not a stream of the clip" if cover else "one video stream of a clip is enhanced"
    return f"{container_name(container)} does not take it"


def container_name(container: str) -> str:
    return {"mp4": "MP4", "matroska": "Matroska"}[container]
