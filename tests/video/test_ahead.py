"""Decoding ahead gives the clips asked for, whatever was expected, evicted or failed, and in whatever process."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from ada3d_gym.video.ahead import DecodeAhead
from ada3d_gym.video.clip_decoder import ClipDecoder
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.files import video_file

VIEWS = 3


class Decoder:
    """Clips that hold their own number, a record of what was decoded where, and files that go bad."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.threads: set[str] = set()
        self.bad: set[int] = set()
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        self.calls.append(list(ids))
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.gate.wait(60)
        if self.bad & set(ids):
            raise VideoError(Path(f"{ids[0] // VIEWS}.mp4"), "is damaged")
        return {index: np.full(2, index, np.uint8) for index in ids}


def ahead_of(decoder: Decoder, capacity: int = 100, workers: int = 2) -> DecodeAhead:
    return DecodeAhead(decoder, lambda clip: clip // VIEWS, workers, capacity)


def got(ahead: DecodeAhead, ids: Sequence[int]) -> list[int]:
    return [int(clip[0]) for clip in ahead.get(ids)]


def decoding_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("decode")}


def test_clips_come_in_order_and_each_is_decoded_once_with_those_of_its_video():
    decoder = Decoder()
    ahead = ahead_of(decoder)
    assert got(ahead, [7, 0, 7, 2, 6, 0]) == [7, 0, 7, 2, 6, 0]
    assert sorted(map(sorted, decoder.calls)) == [[0, 2], [6, 7]]
    assert got(ahead, []) == []
    assert threading.current_thread().name not in decoder.threads


def test_what_was_expected_is_not_decoded_again():
    decoder = Decoder()
    ahead = ahead_of(decoder)
    ahead.expect([4, 9, 4])
    ahead.expect([9, 10])
    assert got(ahead, [10, 4, 9]) == [10, 4, 9]
    assert sorted(decoder.calls) == [[4], [9], [10]]


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_no_more_clips_are_kept_than_there_is_room_for(capacity: int):
    decoder = Decoder()
    ahead = ahead_of(decoder, capacity)
    ahead.expect(range(0, 300, VIEWS))
    assert got(ahead, [0]) == [0]
    assert len(ahead._futures) <= capacity
    ahead.close()
    assert len(decoder.calls) <= capacity
    many = list(range(40, 0, -1))
    assert got(ahead, many) == many
    assert len(ahead._futures) <= capacity
    last = many[-capacity:]
    before = len(decoder.calls)
    assert got(ahead, last) == last
    assert len(decoder.calls) == before


def test_the_oldest_go_first_and_what_is_asked_for_again_is_young():
    decoder = Decoder()
    ahead = ahead_of(decoder, 2)
    got(ahead, [0, 3])
    got(ahead, [0])
    got(ahead, [6])
    before = len(decoder.calls)
    assert got(ahead, [0, 6]) == [0, 6]
    assert len(decoder.calls) == before


BATCH = 12
CLIPS = 2 * 8 * 3 * 32 * 32  # bytes of two clips


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("bear_bad", [False, True])
@pytest.mark.parametrize("batches", [1, 1.5, 2])
def test_where_a_batch_fits_each_clip_of_a_training_is_decoded_once(
    tmp_path: Path, batches: float, bear_bad: bool, cached: bool, monkeypatch: pytest.MonkeyPatch
):
    """Whatever the order of the ids: here falling from batch to batch, so that the next batch's come before these."""

    def decode(_: ClipDecoder, ids: Sequence[int]) -> dict[int, np.ndarray]:
        decoded.extend(ids)
        return {clip: np.full((8, 3, 32, 32), clip, np.uint8) for clip in ids}

    decoded: list[int] = []
    monkeypatch.setattr(ClipDecoder, "decode", decode)
    room = {"cache": tmp_path, "cache_bytes": CLIPS} if cached else {}
    records = [VideoRecord(tmp_path / f"{number}.mp4", (0,)) for number in range(40)]
    clips = VideoClips(
        records,
        ("a",),
        ClipSampler(8, 1, VIEWS, 32),
        observation_size=32,
        ahead_bytes=int(batches * BATCH) * CLIPS // 2,
        max_bad_share=0.5 if bear_bad else None,
        **room,
    )
    order = np.random.default_rng(0).permutation(len(clips)).reshape(-1, BATCH)
    order = order[(-order.mean(1)).argsort()]
    for number, batch in enumerate(order):
        clips.expect(np.concatenate(order[number : number + 2]))
        assert np.array_equal(clips.usable(batch), batch)
        for ids in (batch, np.tile(batch, 2)):  # shown, and pulled in two samples
            assert clips.clips(ids)[:, 0, 0, 0, 0].tolist() == ids.tolist()
    clips.close()
    assert sorted(decoded) == list(range(len(clips)))


def test_clips_are_decoded_in_the_order_of_need():
    decoder = Decoder()
    decoder.gate.clear()
    ahead = ahead_of(decoder, capacity=3, workers=1)
    ahead.expect([21, 3, 12, 0])  # no room for the last
    ahead.expect([21, 3, 9])
    decoder.gate.set()
    assert got(ahead, [21, 3, 9]) == [21, 3, 9]
    assert decoder.calls[:2] == [[21], [3]]
    assert [0] not in decoder.calls


def test_a_bad_clip_does_not_take_those_along_that_were_decoded_with_it():
    def decode(ids: Sequence[int]) -> dict[int, np.ndarray | VideoError]:
        calls.append(list(ids))
        return {each: np.full(2, each, np.uint8) if each != 4 else VideoError("1.mp4", "is damaged") for each in ids}

    calls: list[list[int]] = []
    ahead = DecodeAhead(decode, lambda clip: clip // VIEWS, 1, 10)
    outcomes = ahead.outcomes([3, 4, 5, 6])
    assert [index for index, outcome in outcomes.items() if isinstance(outcome, VideoError)] == [4]
    assert got(ahead, [5, 3, 6]) == [5, 3, 6]
    with pytest.raises(VideoError, match=r"1\.mp4: is damaged"):
        ahead.get([3, 4])
    assert calls == [[3, 4, 5], [6], [4]]


def test_an_error_names_its_file_leaves_others_alone_and_is_tried_again():
    decoder = Decoder()
    decoder.bad = {4}
    ahead = ahead_of(decoder)
    ahead.expect([0, 3, 4, 6])
    for _ in range(2):
        with pytest.raises(VideoError, match=r"1\.mp4: is damaged"):
            ahead.get([0, 4, 6])
    assert got(ahead, [0, 6]) == [0, 6]
    decoder.bad = set()
    assert got(ahead, [3, 4]) == [3, 4]  # 3 had failed with 4
    assert decoder.calls.count([0]) == decoder.calls.count([6]) == 1


def test_closing_waits_for_what_runs_drops_the_rest_and_can_be_followed_by_more():
    decoder = Decoder()
    decoder.gate.clear()
    before = decoding_threads()
    ahead = ahead_of(decoder, workers=1)
    ahead.expect(range(0, 30, VIEWS))
    assert decoder.begun.wait(60)
    closing = threading.Thread(target=ahead.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    decoder.gate.set()
    closing.join(60)
    assert decoder.calls == [[0]]
    assert decoding_threads() <= before
    ahead.close()
    assert got(ahead, [9]) == [9]
    assert len(decoding_threads() - before) == 1


def test_an_owner_is_collected_without_waiting_for_its_threads():
    """Whatever thread happens to collect it may hold a lock that those threads need."""
    before, decoder = decoding_threads(), Decoder()
    decoder.gate.clear()
    ahead = ahead_of(decoder)
    ahead.expect([0])
    assert decoder.begun.wait(60)
    del ahead
    gc.collect()
    at_work = decoding_threads() - before
    decoder.gate.set()
    assert len(at_work) == 1
    for thread in at_work:
        thread.join(60)
        assert not thread.is_alive()


def test_threads_end_with_their_owner():
    before = decoding_threads()
    ahead = ahead_of(Decoder())
    got(ahead, [0, 3, 6])
    threads = decoding_threads() - before
    assert threads
    del ahead
    gc.collect()
    for thread in threads:
        thread.join(60)
    assert not threads & decoding_threads()


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[VideoClips]:
    records = [video_file(tmp_path / f"{number}.mp4", seed=number) for number in range(4)]
    clips = VideoClips(
        records, ("a",), ClipSampler(4, 5, 3, 32), observation_size=16, cache=tmp_path, cache_bytes=40000
    )
    yield clips
    clips.close()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_a_forked_child_decodes_for_itself_while_its_parent_does(clips: VideoClips):
    ids = np.arange(12)
    expected = clips.clips(ids[:6]).sum((1, 2, 3, 4)).tolist()
    clips.expect(ids)  # under way when the fork comes
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        torch.set_num_threads(1)  # OpenMP's threads do not survive a fork either
        sender.send(clips.clips(ids).sum((1, 2, 3, 4)).tolist())

    process = context.Process(target=child, daemon=True)
    process.start()
    there = receiver.poll(120)
    if not there:
        process.kill()
    assert there
    totals = receiver.recv()
    process.join(60)
    assert process.exitcode == 0
    assert totals[:6] == expected
    assert totals == clips.clips(ids).sum((1, 2, 3, 4)).tolist()


def test_a_pickled_copy_gives_the_same_clips(clips: VideoClips):
    ids = np.array([11, 0, 5])
    expected = clips.clips(ids)
    copy = pickle.loads(pickle.dumps(clips))
    assert np.array_equal(copy.clips(ids), expected)
    copy.close()


class Clips(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, clips: VideoClips):
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.clips.clips(np.array([index]))[0])


def test_workers_of_a_data_loader_give_the_same_clips(clips: VideoClips):
    expected = clips.clips(np.arange(12))
    loader = torch.utils.data.DataLoader(Clips(clips), batch_size=5, num_workers=2, timeout=120)
    for _ in range(2):
        assert np.array_equal(torch.cat(list(loader)).numpy(), expected)
