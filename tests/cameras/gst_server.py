"""Cameras by Debian's gst-rtsp-server, with moving pictures and RTCP sender reports. Run by /usr/bin/python3 alone.

    /usr/bin/python3 tests/cameras/gst_server.py --port 8554 --paths yard,gate --size 160x120 --rate 6

serves rtsp://127.0.0.1:8554/yard and /gate, says "ready" once it listens, and ends at SIGTERM: its clients are told
goodbye. SIGKILL is what a power cut is. Knows nothing of Gleaner; imports only what python3-gi gives.
"""

from __future__ import annotations

import argparse
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={gop} bitrate={kbits}"
    " ! rtph264pay name=pay0 pt=96 config-interval=1",
    "h264-b": "x264enc speed-preset=ultrafast threads=1 bframes=2 b-adapt=false key-int-max={gop} bitrate={kbits}"
    " ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=1",
    "hevc": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={kbits} option-string=pools=1"
    " ! rtph265pay name=pay0 pt=96 config-interval=1",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def pipeline(arguments: argparse.Namespace, number: int) -> str:
    width, height = arguments.size.split("x")
    # Everything moves, differently in each camera, so that no tile is like the one before.
    moving = f"pattern=zone-plate kx2={12 + 4 * number} ky2=16 kt={2 + number}"
    source = f"videotestsrc is-live=true {moving if arguments.moving else 'pattern=ball'}"
    facts = f"video/x-raw,format=I420,width={width},height={height},framerate={arguments.rate}/1"
    encoder = ENCODERS[arguments.codec].format(gop=arguments.gop, kbits=arguments.kbits)
    sound = ""
    if arguments.audio:
        sound = " audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000,channels=1 ! alawenc"
        sound += " ! rtppcmapay name=pay1 pt=8"
    return f"( {source} ! {facts} ! {encoder}{sound} )"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--paths", default="live", help="names of the cameras, separated by commas")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=6)
    parser.add_argument("--gop", type=int, default=12)
    parser.add_argument("--kbits", type=int, default=200)
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="h264")
    parser.add_argument("--moving", action="store_true", help="the whole picture, not only a ball")
    parser.add_argument("--audio", action="store_true", help="G.711 beside it")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    for number, path in enumerate(arguments.paths.split(",")):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline(arguments, number))
        factory.set_shared(True)  # all who look at a camera see the same
        server.get_mount_points().add_factory(f"/{path}", factory)
    loop = GLib.MainLoop()
    if not server.attach(None):
        sys.exit(f"port {arguments.port} cannot be had")

    def leave() -> bool:
        server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        loop.quit()
        return False

    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, leave)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
