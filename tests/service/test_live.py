"""The live view over HTTP: playlists and what they name, blocking reload, and what is said while there is nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media import hls
from media.hls import Part, Segment
from pipeline.job import Problem
from pipeline.stream import StreamState, StreamStatus
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from service.playlists import base, position, sent
from tests.service.answers import problem, why

CAMERA = {"name": "gate", "url": "rtsp://192.0.2.10/", "model": "espcn-x4"}
PART_S = 0.5


class Owner:
    """Plays the camera worker of one stream: reports, and writes its live view."""

    def __init__(self, service: Any, stream_id: str) -> None:
        self.store, self.id = StreamStore(service.redis), stream_id
        self.files = StreamFiles(service.settings.data_dir)
        self.begin()

    def begin(self) -> None:
        self.epoch = self.store.begin_epoch(self.id, "worker-1")
        self.files.create(self.id, self.epoch)
        self.segments: list[Segment] = []
        self.report(StreamState.ONLINE)

    @property
    def folder(self) -> Path:
        return self.files.live(self.id, self.epoch)

    def report(self, state: StreamState, problem: Problem | None = None) -> None:
        self.store.set_status(self.id, self.epoch, StreamStatus(state=state, since=0, problem=problem))

    def write(self, whole: int, parts: int = 0) -> None:
        """A playlist of `whole` segments of four parts, and so many parts of the next; and their files."""
        made = [
            Segment(n, 4 * PART_S, 1e9 + n, 0, 0, parts=(Part(PART_S, True),) * (4 if n < whole else parts))
            for n in range(whole + 1)
        ]
        (self.folder / "init-0.mp4").write_bytes(b"init")
        for segment in made[:whole]:
            (self.folder / hls.segment_name(segment.number)).write_bytes(b"segment %d" % segment.number)
        for segment in made:
            for index in range(len(segment.parts)):
                (self.folder / hls.part_name(segment.number, index)).write_bytes(b"part %d" % index)
        text = hls.playlist(made[:whole], made[whole], 2, PART_S)
        draft = self.folder / "draft"
        draft.write_text(text)
        draft.replace(self.folder / "live.m3u8")


@pytest.fixture
def owner(cameras: Any) -> Owner:
    return Owner(cameras, cameras.http.post("/v1/streams", json=CAMERA).json()["id"])


def playlist_of(service: Any, owner: Owner, **query: Any) -> Any:
    return service.http.get(f"/v1/streams/{owner.id}/live/live.m3u8", params=query)


def test_the_playlist_names_files_that_are_there(cameras: Any, owner: Owner) -> None:
    owner.write(whole=3, parts=2)
    answer = playlist_of(cameras, owner)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["cache-control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    lines = answer.text.splitlines()
    assert f"#EXT-X-MEDIA-SEQUENCE:{owner.epoch // 1000}" in lines
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:0" in lines  # small: hls.js hangs with numbers like the one above
    assert f'#EXT-X-MAP:URI="{owner.epoch}/init-0.mp4"' in lines
    assert f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{owner.epoch}/part-3-2.m4s"' in lines
    named = [line for line in lines if line and not line.startswith("#")]
    assert named == [f"{owner.epoch}/seg-{n}.m4s" for n in range(3)]
    for name, content in ((named[2], b"segment 2"), (f"{owner.epoch}/init-0.mp4", b"init")):
        piece = cameras.http.get(f"/v1/streams/{owner.id}/live/{name}")
        assert (piece.status_code, piece.content, piece.headers["content-type"]) == (200, content, "video/mp4")
        assert "immutable" in piece.headers["cache-control"]
        etag = piece.headers["etag"]
        assert cameras.http.get(piece.url, headers={"If-None-Match": etag}).status_code == 304
        assert cameras.http.get(piece.url, headers={"Range": "bytes=1-2"}).content == content[1:3]
        assert cameras.http.head(piece.url).headers["content-length"] == str(len(content))


def test_a_blocking_reload_answers_once_the_part_is_there(
    cameras: Any, owner: Owner, wait_until: Callable[..., None]
) -> None:
    owner.write(whole=3, parts=1)
    at = base(owner.epoch)
    assert playlist_of(cameras, owner, _HLS_msn=at + 2).status_code == 200
    assert playlist_of(cameras, owner, _HLS_msn=at + 3, _HLS_part=0).status_code == 200
    with ThreadPoolExecutor(4) as pool:
        part = pool.submit(playlist_of, cameras, owner, _HLS_msn=at + 3, _HLS_part=1)
        whole = pool.submit(playlist_of, cameras, owner, _HLS_msn=at + 3)
        later = pool.submit(playlist_of, cameras, owner, _HLS_msn=at + 4, _HLS_part=0)
        hinted = pool.submit(cameras.http.get, f"/v1/streams/{owner.id}/live/{owner.epoch}/part-3-1.m4s")
        wait_until(lambda: cameras.app.state.backend.playlists._waiting == 4)
        assert not any(answer.done() for answer in (part, whole, later, hinted))
        owner.write(whole=3, parts=2)
        assert f"{owner.epoch}/part-3-1.m4s" in part.result(timeout=20).text
        assert hinted.result(timeout=20).content == b"part 1"
        assert not whole.done()
        owner.write(whole=4)
        assert f"{owner.epoch}/seg-3.m4s" in whole.result(timeout=20).text
        assert not later.done()
        owner.write(whole=4, parts=1)
        assert f"{owner.epoch}/part-4-0.m4s" in later.result(timeout=20).text


def test_waiting_has_an_end(cameras: Any, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.WAIT_TARGETS", 0.1)
    monkeypatch.setattr("service.live.PART_WAIT_S", 0.2)
    owner.write(whole=3, parts=1)
    owner.report(StreamState.STALLED)
    at = base(owner.epoch)
    detail = why(playlist_of(cameras, owner, _HLS_msn=at + 3), 503, "playlist-stalled")
    assert "stalled" in detail
    assert playlist_of(cameras, owner).status_code == 200  # what there was can still be had
    path = f"/v1/streams/{owner.id}/live/{owner.epoch}"
    problem(cameras.http.get(f"{path}/part-3-1.m4s"), 404, "not-found")
    monkeypatch.setattr("service.live.PART_WAIT_S", 60.0)
    problem(cameras.http.get(f"{path}/part-9-9.m4s"), 404, "not-found")  # not the next one: not waited for
    problem(playlist_of(cameras, owner, _HLS_msn=at + 9), 400, "bad-request")
    problem(playlist_of(cameras, owner, _HLS_part=1), 400, "bad-request")
    problem(playlist_of(cameras, owner, _HLS_msn=-1), 422, "invalid-request")
    monkeypatch.setattr("service.playlists.WAITERS", 0)
    problem(playlist_of(cameras, owner, _HLS_msn=at + 3), 503, "too-busy")
    assert playlist_of(cameras, owner).status_code == 200


def test_while_there_is_no_picture_it_is_said_why(cameras: Any, owner: Owner) -> None:
    detail = why(playlist_of(cameras, owner), 404, "stream-not-online")
    assert detail == "stream gate has no live view: it has just come online and has no picture yet"
    owner.write(whole=1)
    owner.report(StreamState.FAILED, Problem(code="camera-unauthorised", detail="The camera does not accept these."))
    detail = why(playlist_of(cameras, owner), 404, "stream-not-online")
    assert detail.endswith("The camera does not accept these. (camera-unauthorised)")
    owner.report(StreamState.BACKING_OFF)
    assert playlist_of(cameras, owner).status_code == 200
    path = f"/v1/streams/{owner.id}"
    assert cameras.http.patch(path, json={"hls": False}).json()["links"]["live"] is None
    assert "hls is false" in why(playlist_of(cameras, owner), 404, "stream-not-online")
    cameras.http.patch(path, json={"hls": True, "enabled": False})
    assert "stopped" in why(playlist_of(cameras, owner), 404, "stream-not-online")
    cameras.http.delete(path)
    problem(playlist_of(cameras, owner), 404, "not-found")


def test_numbers_go_on_when_another_owner_begins(cameras: Any, owner: Owner) -> None:
    owner.write(whole=3)
    before, old = playlist_of(cameras, owner).text, base(owner.epoch)
    owner.store._clock = lambda: time.time() + 60
    owner.begin()
    owner.write(whole=1)
    after = playlist_of(cameras, owner, _HLS_msn=old + 3)  # a player goes on where it was
    assert after.status_code == 200
    assert position(after.text).last > position(before).last
    assert f"{owner.epoch}/seg-0.m4s" in after.text


def test_only_names_of_ours_are_served(cameras: Any, owner: Owner) -> None:
    owner.write(whole=1)
    (owner.folder / "secret.txt").write_text("hush")
    live = f"/v1/streams/{owner.id}/live"
    for name in (
        "secret.txt",
        "draft",
        "live.m3u8",
        "seg-0.mp4",
        "seg-0.m4s%00",
        "seg-%2e%2e.m4s",
        "..%2flive.m3u8",
        "%2e%2e/%2e%2e/secret.key",
        "seg-٣.m4s",
    ):
        answer = cameras.http.get(f"{live}/{owner.epoch}/{name}")
        assert answer.status_code in (404, 422), name
        assert "hush" not in answer.text
    for path in (f"{live}/0/seg-0.m4s", f"{live}/x/seg-0.m4s", f"/v1/streams/../live/{owner.epoch}/seg-0.m4s"):
        assert cameras.http.get(path).status_code in (404, 422), path
    problem(cameras.http.get(f"/v1/streams/X/live/{owner.epoch}/seg-0.m4s"), 404, "not-found")


def test_a_player_plays_it(cameras: Any, owner: Owner) -> None:
    """FFmpeg's HLS reader, by way of PyAV, takes frames of what FFmpeg's HLS writer wrote."""
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_type": "fmp4", "hls_flags": "omit_endlist"}
    options |= {"hls_fmp4_init_filename": "init-0.mp4", "hls_segment_filename": str(owner.folder / "seg-%d.m4s")}
    with av.open(str(owner.folder / "live.m3u8"), "w", format="hls", options=options) as container:
        video = container.add_stream("libx264", rate=10, options={"g": "10", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(45):
            image = np.full((48, 64, 3), index * 5, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
    url = f"http://127.0.0.1:{cameras.port}/v1/streams/{owner.id}/live/live.m3u8"
    with av.open(url, timeout=10) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(10), strict=False)]
    assert [(frame.width, frame.height) for frame in frames] == [(64, 48)] * 10
    assert len({frame.pts for frame in frames}) == 10


def test_what_is_sent_is_still_a_playlist() -> None:
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n"
    text = head + '#EXT-X-MAP:URI="init-1.mp4"\n#EXTINF:2.0,\nseg-7.m4s\n'
    lines = sent(text, 1_763_841_265_123).splitlines()
    assert lines == [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-MEDIA-SEQUENCE:1763841272",
        "#EXT-X-DISCONTINUITY-SEQUENCE:3",
        '#EXT-X-MAP:URI="1763841265123/init-1.mp4"',
        "#EXTINF:2.0,",
        "1763841265123/seg-7.m4s",
    ]
    assert position("\n".join(lines)).last == 1763841272
    assert position("").last == -1
