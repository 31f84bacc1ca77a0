"""Files that are damaged in every way that a disk, a network or a scraper knows."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from tests.video.files import BAD_FILES, random_frames

AUDIO = {"webm": "libopus", "avi": "mp3", "flv": "aac", "asf": "mp3"}
CONTAINERS = {"matroska": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4", "flv": "libx264", "asf": "wmv2"}
"""Containers whose headers say how long a file is, though nothing keeps a decoder from reading a part, and a codec."""

Damage = Callable[[bytes, np.random.Generator], bytes]


def encode(
    movflags: str = "", container: str = "mp4", codec: str = "libx264", count: int = 40, gop: int = 10, sound: float = 0
) -> bytes:
    """A video of `count` frames of 1/25 s, with so many seconds of noise to hear."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format=container, options={"movflags": movflags} if movflags else {}) as output:
            stream = output.add_stream(codec, rate=25, options={"g": str(gop)})
            stream.width = stream.height = 64
            audio = output.add_stream(AUDIO.get(container, "aac"), rate=48000, layout="mono") if sound else None
            heard = 0
            for number, frame in enumerate(random_frames(count)):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                while audio and heard < 48000 * min(sound, sound if number == count - 1 else (number + 1) / 25):
                    output.mux(audio.encode(_noise_to_hear(audio.format.name, heard)))
                    heard += 960
            output.mux(stream.encode())
            if audio:
                output.mux(audio.encode())
        return path.read_bytes()


def _noise_to_hear(kind: str, start: int) -> av.AudioFrame:
    samples = np.random.default_rng(start).normal(0, 0.1, (1, 960)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48000, start
    return av.AudioResampler(format=kind, layout="mono", rate=48000).resample(frame)[0]


def _audio_only() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


def _beheaded(container: str, gop: int) -> bytes:
    """The packets of a video but for the first four: it starts inside a group of pictures, the first of several or the
    only one."""
    file, source = io.BytesIO(), io.BytesIO(encode(gop=gop))
    with av.open(source) as original, av.open(file, "w", format=container) as output:
        stream = output.add_stream_from_template(original.streams.video[0])
        for number, packet in enumerate(original.demux(video=0)):
            if number >= 4 and packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return file.getvalue()


def _hole(content: bytes, rng: np.random.Generator) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(16, len(content) // 4)
    return content[:start] + bytes(min(int(length), len(content) - int(start))) + content[start + length :]


def _noise(content: bytes, rng: np.random.Generator) -> bytes:
    array = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(len(array), size=rng.integers(1, 200))
    array[places] = rng.integers(256, size=len(places))
    return array.tobytes()


def overwrite(path: Path, share: float = 0.05, at: float = 0.3) -> None:
    """Random bytes in the place of a share of a file, as a bad sector leaves them: some of its clips are lost."""
    content = path.read_bytes()
    start, length = int(at * len(content)), int(share * len(content))
    noise = np.random.default_rng(0).bytes(length)
    path.write_bytes(content[:start] + noise + content[start + length :])


def damaged_files(folder: Path, each: int = 45, seed: int = 0) -> Iterator[tuple[str, Path]]:
    """(kind, path) of damaged files, written below a folder."""
    rng = np.random.default_rng(seed)
    whole, streaming = encode(), encode("faststart")

    def write(kind: str, content: bytes) -> tuple[str, Path]:
        path = folder / f"{kind.replace(' ', '-')}-{len(list(folder.iterdir())):04d}.mp4"
        path.write_bytes(content)
        return kind, path

    for content, kind in ((whole, "truncated"), (streaming, "streaming, truncated")):
        for share in np.linspace(0.01, 0.995, each):
            yield write(kind, content[: int(share * len(content))])
    for _ in range(each):
        yield write("zeroed hole", _hole(whole, rng))
        yield write("zeroed hole", _hole(streaming, rng))
        yield write("random bytes inside", _noise(whole, rng))
    yield write("audio only", _audio_only())
    yield write("one frame", encode(count=1))
    for container in ("mp4", "matroska", "mpegts", "avi"):
        yield write("no key frame", _beheaded(container, gop=10))
    for container in ("mp4", "matroska"):
        yield write("no key frame", _beheaded(container, gop=100))
    yield write("another container", encode(container="matroska"))
    yield write("another container", encode(container="avi", codec="mpeg4"))
    for kind, make in BAD_FILES.items():
        path = folder / f"{kind.replace(' ', '-')}.mp4"
        make(path)
        yield kind, path


def cut_files(folder: Path, each: int, seed: int = 0) -> Iterator[Path]:
    """Files of 40 frames, named after their containers, that end anywhere; without sound and with some."""
    rng = np.random.default_rng(seed)
    for container, codec in CONTAINERS.items():
        for sound in (0, 1.6, 3.0):
            whole = encode(container=container, codec=codec, sound=sound)
            for number in range(each):
                path = folder / f"{container}-{sound}-{number}"
                path.write_bytes(whole[: int(rng.uniform(0.05, 1) * len(whole))])
                yield path
