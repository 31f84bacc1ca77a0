"""What is found out about files of every kind, without waiting for ever and without one taking down the rest."""

from __future__ import annotations

import os
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.probe import probe, probe_all
from ada3d_gym.video.indexing.progress import listening
from ada3d_gym.video.records import VideoError
from tests.video.files import video_file
from tests.video.looks import crash_or_hang, odd
from tests.video.test_containers import encode


def test_only_a_file_that_does_not_go_on_is_hung(tmp_path: Path):
    paths = [tmp_path / name for name in ("slow.mp4", "hang.mp4", "raise.mp4", "slow too.mp4")]
    slow, hung, raised, too = dict(probe_all(paths, timeout=0.7, look=odd)).values()
    assert slow.cause == too.cause == "" and slow.frames == 5
    assert slow.seconds > 0.7
    assert hung.cause == "hung" and "--timeout" in hung.detail
    assert raised.cause == "unreadable" and "ZeroDivisionError: what nobody thought of" in raised.detail


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("thorough", [False, True])
def test_progress_is_told_of_while_a_file_is_read(name: str, thorough: bool, tmp_path: Path):
    path, signs = encode(tmp_path / name, "libx264"), []
    with listening(lambda: signs.append(1)):
        assert probe(path, thorough).cause == ""
    assert len(signs) > (120 if thorough else 60)


def test_frames_are_the_same_while_somebody_listens(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", "libx264", {"g": "1000"}, count=300)
    alone = Video(path).read([0, 150, 299, 7])
    with listening(lambda: None):
        assert (Video(path).read([0, 150, 299, 7]) == alone).all()


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_a_positive_number(timeout: float, tmp_path: Path):
    with pytest.raises(InputError, match="positive number of seconds"):
        list(probe_all([tmp_path / "a.mp4"], timeout=timeout))


def test_an_interruption_is_the_parent_s_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = encode(tmp_path / "interrupt.mp4", "libx264")  # a terminal sends Ctrl-C to the children, too
    ((_, found),) = probe_all([path], look=crash_or_hang)
    assert (found.cause, capfd.readouterr().err) == ("", "")


def test_why_no_process_can_be_started_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def start(_: Any) -> None:
        raise RuntimeError("before the current process has finished its bootstrapping phase")

    monkeypatch.setattr(SpawnProcess, "start", start)  # as in a script without `if __name__ == "__main__":`
    with pytest.raises(RuntimeError, match="bootstrapping"):
        list(probe_all([tmp_path / "a.mp4"]))


@pytest.mark.parametrize("kind", ["pipe", "loop", "too long", "device"])
def test_what_is_no_file_is_named_and_not_waited_for(kind: str, tmp_path: Path):
    path = tmp_path / "a.mp4"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path = tmp_path / ("a" * 300 + ".mp4") if kind == "too long" else Path("/dev/zero")
    found = probe(path)
    assert found.cause == ("unreadable" if kind == "too long" else "missing")
    assert found.detail
    with pytest.raises(VideoError, match=r"is missing or not a file|cannot be read"):
        Video(path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = video_file(tmp_path / "a.mp4").path
    monkeypatch.setattr(Path, "stat", refuse)
    found = probe(path)
    assert (found.cause, found.detail) == ("unreadable", "Permission denied")
    with pytest.raises(VideoError, match="Permission denied"):
        Video(path)


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb", b"a:b", b"%d", "日本".encode()])
def test_a_video_is_read_whatever_the_name_of_its_folder(name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = Path(os.fsdecode(name + b".mp4"))  # below the working directory, "a:b.mp4" looks like an address
    os.rename(video_file(tmp_path / "plain.mp4").path, file)
    assert [found.frames for _, found in probe_all([file])] == [40]
    assert Video(file).read([0, 39]).shape == (2, 64, 64, 3)
    with pytest.raises(VideoError) as caught:
        Video(file.with_suffix(".gone"))
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # any output takes it


def test_a_file_that_grows_is_not_whole(tmp_path: Path):
    path = encode(tmp_path / "a.ts", "libx264")
    content = path.read_bytes()

    def grow() -> None:
        path.write_bytes(content + content[:188])

    with listening(grow):
        found = probe(path)
    assert found.cause == "truncated" and "grows" in found.detail
