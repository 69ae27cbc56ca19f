"""Re-encodes one audio stream for containers that do not take its codec. Knows nothing of files or of video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AAC_BITS_PER_SAMPLE = 1.5  # a channel: 72 kbit/s for 48 kHz
AAC_LEAST_BIT_RATE = 32000  # a channel
PLAIN_LAYOUTS = {1: "mono", 2: "stereo"}  # PCM often says only "1 channels", which the AAC encoder refuses
JITTER_S = Fraction(1, 50)  # smaller differences between a frame's time and the samples before it are not gaps
SILENCE_CHUNK_S = 1


class AudioTranscoder:
    """Packets of `source` in, packets of a new stream of `out` out, at the same times.

    Gaps longer than JITTER_S are filled with silence and overlaps are cut, so that sound cannot drift from the picture.
    Packets that cannot be decoded are counted in `lost`.
    """

    def __init__(self, out: OutputContainer, source: AudioStream, codec: str) -> None:
        """codec: "aac", or "pcm_s16le" where the container takes it (exact for sources of up to 16 bits)."""
        context = source.codec_context
        wanted = context.sample_rate
        self.rate = wanted if codec != "aac" or wanted in AAC_RATES else 48000
        layout = context.layout
        self.layout = PLAIN_LAYOUTS.get(layout.nb_channels, layout.name)
        self._format = "fltp" if codec == "aac" else "s16p"
        stream = out.add_stream(codec, rate=self.rate, layout=self.layout)
        assert isinstance(stream, AudioStream)
        stream.time_base = Fraction(1, self.rate)
        if codec == "aac":
            stream.bit_rate = layout.nb_channels * max(int(AAC_BITS_PER_SAMPLE * self.rate), AAC_LEAST_BIT_RATE)
        self.stream = stream
        self.lost = 0
        self._source = source
        self._resampler = AudioResampler(format=self._format, layout=self.layout, rate=self.rate)
        self._next: int | None = None  # sample number after the last one encoded

    def feed(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """Packets that came of one packet of the source, rescaled by the muxer."""
        try:
            frames = self._source.codec_context.decode(packet)
        except av.FFmpegError:
            self.lost += 1
            return
        for frame in frames:
            start = None
            if frame.pts is not None and frame.time_base is not None:
                start = round(frame.pts * frame.time_base * self.rate)
            for part in self._resampler.resample(frame):
                yield from self._encode(part.to_ndarray(), start)
                start = None

    def flush(self) -> Iterator[Packet[AudioStream]]:
        """The last packets: of the decoder, the resampler and the encoder."""
        for frame in self._source.codec_context.decode(None):
            for part in self._resampler.resample(frame):
                yield from self._encode(part.to_ndarray(), None)
        for part in self._resampler.resample(None):
            yield from self._encode(part.to_ndarray(), None)
        yield from self.stream.encode(None)

    def _encode(self, samples: NDArray[Any], start: int | None) -> Iterator[Packet[AudioStream]]:
        """samples: (channels, n), whose first is sample number `start` (None: follows on)."""
        if self._next is None:
            self._next = start or 0
        if start is not None:
            gap = start - self._next
            if gap > JITTER_S * self.rate:
                yield from self._silence(samples, gap)
            elif gap < -JITTER_S * self.rate:
                samples = samples[:, -gap:]
        yield from self._append(samples)

    def _silence(self, like: NDArray[Any], count: int) -> Iterator[Packet[AudioStream]]:
        chunk = SILENCE_CHUNK_S * self.rate
        for at in range(0, count, chunk):
            yield from self._append(np.zeros((like.shape[0], min(chunk, count - at)), like.dtype))

    def _append(self, samples: NDArray[Any]) -> Iterator[Packet[AudioStream]]:
        if samples.shape[1] == 0:
            return
        assert self._next is not None
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=self._format, layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._next, Fraction(1, self.rate)
        self._next += samples.shape[1]
        yield from self.stream.encode(frame)
