"""Lists as people's tools and hands leave them: read as they are meant, or an error that names file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ada3d_gym.datasets import VIDEO_SETS
from ada3d_gym.video.indexing.listing import Entry, ListError, Listing
from ada3d_gym.video.readers import activitynet, fcvid, kinetics, plain

HEADER = "label,youtube_id,time_start,time_end,split\n"
FCVID = "materials/FCVID_VideoName_TrainTestSplit.txt"
LISTS = {
    "fcvid": {FCVID: "a/b.mp4 train\nc.mp4 test\n", "materials/FCVID_Label.txt": "1 0\n0 1\n"},
    "activitynet": {"train.txt": "v_a 9 0\nv_b 9 1\n", "val.txt": "v_c 9 0\n"},
    "kinetics": {"kinetics400.csv": f"{HEADER}x,a,1,2,train\ny,b,3,4,val\n"},
    "mini-kinetics": {
        "kinetics400.csv": f"{HEADER}x,a,1,2,train\ny,b,3,4,val\n",
        "train_ytid_list.txt": "a\n",
        "val_ytid_list.txt": "b\n",
    },
    "mini-kinetics-adafocus": {
        "mini_train_videofolder.txt": "train/x/a 9 0\ntrain/y/b 9 1\n",
        "mini_val_videofolder.txt": "val/x/c 9 0\n",
    },
    "videos": {"train.csv": "a/b.mp4 0\nc.mp4 1\n", "val.csv": "d.mp4 0\n", "classes.txt": "x\ny\n"},
}
LISTS["fcvid, AR-Net's"] = {"fcvid_train_split.txt": "a/b,9,0\nc,9,1\n", "fcvid_val_split.txt": "d,9,0\n"}
WAYS: dict[str, Callable[[str], bytes]] = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "byte-order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "blank lines": lambda text: ("\n" + text.replace("\n", "\n \t\n") + "\n\n").encode(),
    "blanks after rows": lambda text: text.replace("\n", " \t \n").encode(),
    "separators after rows": lambda text: text.replace("\n", ",\n").encode(),
}
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"there is no row in it|header|JSON"),
    "blank": (b"\n \n\t\r\n", r"there is no row in it|header"),
    "UTF-16 without a mark": ("a/b 1 2\n".encode("utf-16-le"), r"line 1: .*NUL bytes"),
    "zeros": (bytes(5000), r"line 1: .*NUL bytes"),
    "JSON": (b'{"database": {}}\n', r"line 1: expected|a row for each"),
    "a page": (b"<!DOCTYPE html>\n<html>404</html>\n", r"line 1: expected"),
}


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def read(root: Path, kind: str, split: str = "train") -> Listing:
    return VIDEO_SETS[kind.partition(",")[0]].read(root, split)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", LISTS)
def test_what_editors_and_systems_do_to_a_list_changes_nothing(kind: str, way: str, tmp_path: Path):
    plain_text = write(tmp_path / "plain", dict(LISTS[kind]))
    bent = write(tmp_path / "bent", {name: WAYS[way](text) for name, text in LISTS[kind].items()})
    for split in ("train", "val", "test"):
        assert read(plain_text, kind, split) == read(bent, kind, split)


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("kind", LISTS)
def test_each_file_that_is_no_list_is_named(kind: str, fault: str, tmp_path: Path):
    text, told = BROKEN[fault]
    for number, name in enumerate(each for each in LISTS[kind] if each != "classes.txt"):
        root = write(tmp_path / str(number), {**LISTS[kind], name: text})
        with pytest.raises(ListError, match=f"{Path(name).name}.*(?:{told})"):
            [read(root, kind, split) for split in ("train", "val")]


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_in_latin_1_is_named_with_the_line(kind: str, tmp_path: Path):
    for number, (name, text) in enumerate(LISTS[kind].items()):
        row, end = text.splitlines()[0], text[text.index("\n") + 1 :]
        root = write(tmp_path / str(number), {**LISTS[kind], name: f"{row}\n\ncafé {row}\n{end}".encode("latin-1")})
        with pytest.raises(ListError, match=rf"{Path(name).name}, line 3: .*'café.*not UTF-8 \(it may be Latin-1\)"):
            [read(root, kind, split) for split in ("train", "val")]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("other", LISTS)
def test_a_list_of_another_set_is_an_error_of_line_1(kind: str, other: str, tmp_path: Path):
    alike = {"activitynet", "mini-kinetics-adafocus", "fcvid, AR-Net's"}  # a path, the number of frames, and a label
    if kind == other or {kind, other} <= alike or {kind, other} <= {"kinetics", "mini-kinetics"}:
        return
    if kind == "videos" and other in ("activitynet", "mini-kinetics-adafocus"):  # "v_a 9" may be a path
        return
    (name, _), (_, theirs) = next(iter(LISTS[kind].items())), next(iter(LISTS[other].items()))
    with pytest.raises(ListError, match=rf"{Path(name).name}, line 1: expected"):
        read(write(tmp_path, {**LISTS[kind], name: theirs}), kind)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("a.mp4 1", "a.mp4"),
        ("a.mp4    1", "a.mp4"),
        ("a.mp4\t1", "a.mp4"),
        ("a.mp4,1", "a.mp4"),
        ("a.mp4 , 1 ,", "a.mp4"),
        ("a.mp4;1", "a.mp4"),
        ("a.mp4 1.0", "a.mp4"),
        ("my  a.mp4 1", "my  a.mp4"),
        ("my 2 1", "my 2"),
        ("my 2,1", "my 2"),
        ("walk/a 1", "walk/a"),
        ('"my a.mp4" 1', "my a.mp4"),
        ("'my a.mp4' 1", "my a.mp4"),
        ('"a, b.mp4","1"', "a, b.mp4"),
        ('"say ""hi"".mp4",1', 'say "hi".mp4'),
        ('"my walk/a" 1', "my walk/a"),
        ('"hi" there.mp4 1', '"hi" there.mp4'),
        ("'til dawn.mp4 1", "'til dawn.mp4"),
        ("a, b.mp4, 1", "a, b.mp4"),
        ("#1 hit.mp4 1", "#1 hit.mp4"),
        ("a.mp4 copy.MP4 1", "a.mp4 copy.MP4"),
        ("a\u2028b\x0bc\x85d.mp4 1", "a\u2028b\x0bc\x85d.mp4"),
        ("a.mp4 jumping jack", "a.mp4"),
        ("a.mp4,jumping jack", "a.mp4"),
        ('"a.mp4","jumping jack"', "a.mp4"),
        ("walk/a jumping jack", "walk/a"),
        ("my.ts folder/a 1", "my.ts folder/a"),
    ],
)
def test_an_own_list_takes_separators_quotes_and_names_of_classes(row: str, path: str, tmp_path: Path):
    text = f"path,label\n# walks\n{row}\n"
    root = write(tmp_path, {"train.csv": text, "classes.txt": "# names\nwalk\n\njumping jack\n"})
    assert plain.read(root, "train") == Listing(("walk", "jumping jack"), (Entry(path, (1,)),))


@pytest.mark.parametrize(
    ("row", "names", "told"),
    [
        ("a.mp4 -1", "", "expected a label of 0 or more, got '-1'"),
        ("a.mp4 12345678901", "", "expected a label of 0 to 99999"),
        ("a.mp4 2", "x\ny\n", "expected a label of 0 to 1, got '2'; .*count from 1"),
        ("a.mp4 walk", "", "'walk'; names of classes are labels once"),
        ("a.mp4 walk", "x\ny\n", "'walk'; classes.txt holds no such name"),
        ("a.mp4", "", "expected rows of 'path label'"),
        ("my a.mp4", "", "expected rows of 'path label'"),
        ("a.mp4 120 1", "", "more than two columns"),
        ("a,120,1", "", "more than two columns"),
        ("a.mp4,walk;wave", "walk\nwave\n", "several labels take a data set of your own"),
        ("1 a.mp4", "", "expected rows of 'path label'"),
        ("video;frames;label", "", "looks like a header"),
        ("label,path", "", "expected rows of 'path label'"),
        (HEADER.strip(), "", "looks like Kinetics' annotations"),
    ],
)
def test_an_own_row_that_cannot_be_used_is_named(row: str, names: str, told: str, tmp_path: Path):
    root = write(tmp_path, {"train.csv": f"\n{row}\n", **({"classes.txt": names} if names else {})})
    with pytest.raises(ListError, match=rf"train\.csv, line 2: .*{told}"):
        plain.read(root, "train")


def test_own_names_of_classes_are_told_apart(tmp_path: Path):
    with pytest.raises(ListError, match=r"classes\.txt: expected each class once, got 'x'"):
        plain.read(write(tmp_path, {"train.csv": "a.mp4 1\n", "classes.txt": "x\ny\nx\n"}), "train")


def test_an_own_list_names_files_whose_names_are_not_utf_8(tmp_path: Path):
    root = write(tmp_path, {"train.csv": b"caf\xe9.mp4 1\n"})
    with pytest.raises(ListError, match=r"line 1: .*'café\.mp4 1'.*not UTF-8"):
        plain.read(root, "train")
    (root / "caf\udce9.mp4").touch()
    assert plain.read(root, "train").entries == (Entry("caf\udce9.mp4", (1,)),)


@pytest.mark.parametrize(
    "words", [("Train", "TEST"), ("TRAINING", "testing"), ("train", "val"), ("train", "validation")]
)
def test_fcvids_words_for_splits(words: tuple[str, str], tmp_path: Path):
    rows = f"a b\\c.mp4,\t{words[0]}\t\n# a comment\n{words[0]}.mp4 {words[1]}\n"
    root = write(tmp_path, {FCVID: rows, "materials/FCVID_Label.txt": "1,0\t\n0\t1\t\t\n"})
    assert fcvid.read(root, "train").entries == (Entry("a b/c.mp4", (0,)),)
    assert fcvid.read(root, "test").entries == (Entry(f"{words[0]}.mp4", (1,)),)


@pytest.mark.parametrize(
    ("videos", "labels", "more", "told"),
    [
        ("a.mp4 train\nb.mp4 tset\n", "1\n1\n", {}, "Split.txt, line 2: .*'b.mp4 tset'"),
        ("a.mp4 train\nb.mp4 test\n", "1\n", {}, "Label.txt: expected a row for each of the 2 videos"),
        ("a.mp4 train\nb.mp4 test\n", "1\n\n0\n", {}, "Label.txt, line 3: expected 1 columns"),
        ("a.mp4 train\nb.mp4 train\n", "1\n1\n", {}, "Split.txt: expected labelled videos of the test split"),
        ("a.mp4 train\nb.mp4 test\n", "1\n1\n", {"classInd.txt": "x\ny\n"}, "classInd.txt: expected a name for each"),
    ],
)
def test_fcvids_lists_that_do_not_fit_together(videos: str, labels: str, more, told: str, tmp_path: Path):
    root = write(tmp_path, {FCVID: videos, "materials/FCVID_Label.txt": labels, **more})
    with pytest.raises(ListError, match=told):
        [fcvid.read(root, split) for split in ("train", "test")]


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        ("v_a  120\t3", Entry("v_a", (3,))),
        ("v_a 120 1 2 1", Entry("v_a", (1, 2))),
        ("v_a,120,3", Entry("v_a", (3,))),
        ("my clips 2/v a 120 3", Entry("my clips 2/v a", (3,))),
        ("v a 2.mp4 120 3", Entry("v a 2.mp4", (3,))),
        ('"a, b",120,3,', Entry("a, b", (3,))),
    ],
)
def test_rows_of_frames_and_labels(row: str, entry: Entry, tmp_path: Path):
    root = write(tmp_path, {"train.txt": row, "fcvid_train_split.txt": row if "," in row else "a,1,1"})
    assert activitynet.read(root, "train").entries == (entry,)
    if "," in row:
        assert fcvid.read(root, "train").entries == (entry,)


@pytest.mark.parametrize("row", ["v_a 3", "v_a,7,", "v_a 120 x", "v_a x 3", "v_a 9 -1", "120 3"])
def test_rows_without_frames_or_labels(row: str, tmp_path: Path):
    root = write(tmp_path, {"train.txt": f"v 1 1\n{row}\n", "fcvid_train_split.txt": f"v,1,1\n{row}\n"})
    for reader, name in ((activitynet, "train"), (fcvid, "fcvid_train_split")):
        with pytest.raises(ListError, match=rf"{name}\.txt, line 2"):
            reader.read(root, "train")


def database(**videos: tuple[str, list[str]]) -> str:
    notes = {video: {"subset": subset, "annotations": [{"label": each} for each in labels]}
             for video, (subset, labels) in videos.items()}  # fmt: skip
    return json.dumps({"database": notes})


def test_activitynets_names_and_what_lacks_a_label(tmp_path: Path):
    text = database(v_a=("Training", ["x ", "x"]), v_b=("train", []), v_c=("val", [" y"]))
    listing = activitynet.read(write(tmp_path, {activitynet.FILE: text.encode("utf-8-sig")}), "train")
    assert (listing.class_names, listing.entries) == (("x", "y"), (Entry("v_a", (0,)),))
    assert [(problem.path, problem.cause) for problem in listing.problems] == [("v_b", "unlabelled")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (database(a=("trian", ["x"])), "a to have a subset .*'trian'"),
        (database(a=("training", [" "])), "an empty label"),
        (database(a=("training", ["x"])), "labelled videos of the val split"),
        ('{"database": {"a": {"subset": "training"}}}', "KeyError at a"),
        ('{"database": {"a": {"subset": "training", "annotations": [{"label": 3}]}}}', "AttributeError at a"),
        ("[" * 100_000, "JSON with 'database'"),
    ],
)
def test_activitynets_file_with_other_content(content: str, told: str, tmp_path: Path):
    root = write(tmp_path, {activitynet.FILE: content})
    with pytest.raises(ListError, match=rf"min\.json: .*{told}"):
        [activitynet.read(root, split) for split in ("train", "val")]


@pytest.mark.parametrize(
    "text",
    [
        'Label, youtube_id, time_start, time_end, Split, is_cc\n"a, b", "-x", 1.0, 11, TRAIN, 0\nc,y,2,3,Validate,1\n',
        "label\tyoutube_id\ttime_start\ttime_end\tsplit\na, b\t-x\t1\t11\ttraining\nc\ty\t2\t3\tval\n",
        'label;youtube_id;time_start;time_end;split\n"a, b";-x;1;11;train\n\nc;y;2;3;validation\n;z;2;3;test\n',
    ],
)
def test_kinetics_columns_as_spreadsheets_write_them(text: str, tmp_path: Path):
    listing = kinetics.read(write(tmp_path, {"kinetics400.csv": text}), "train")
    assert listing.class_names == ("a, b", "c")
    (entry,) = listing.entries
    assert entry.path.endswith("/a, b/-x_000001_000011")


def test_kinetics_in_two_files_needs_no_column_of_the_split(tmp_path: Path):
    rows = "label,youtube_id,time_start,time_end\n{},1,2\n"
    root = write(tmp_path, {"train.csv": rows.format("x,a"), "validate.csv": rows.format("y,b")})
    assert [entry.labels for entry in kinetics.read(root, "test").entries] == [(1,)]
    assert [entry.labels for entry in kinetics.read(root, "train").entries] == [(0,)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("y,b,3,4,dev", "line 5: expected a split of .*'dev'"),
        ("y,b,3,4", "line 5: expected label,youtube_id"),
        ("y,b,,4,val", "line 5: expected label,youtube_id"),
        ("y,b,nan,4,val", "line 5: expected label,youtube_id"),
        (",b,3,4,val", "line 5: expected a label and an id"),
        ("y,b,3,4,test", "csv: expected labelled videos of the val split"),
    ],
)
def test_kinetics_rows_that_cannot_be_used(row: str, told: str, tmp_path: Path):
    root = write(tmp_path, {"kinetics400.csv": f'{HEADER}\n"x\ny",a,1,2,train\n{row}\n'})
    with pytest.raises(ListError, match=told):
        kinetics.read(root, "val")


def test_an_id_with_two_clips_is_named(tmp_path: Path):
    files = {**LISTS["mini-kinetics"], "kinetics400.csv": f"{HEADER}x,a,1,2,train\nx,a,1,2,train\ny,a,5,6,train\n"}
    with pytest.raises(ListError, match=r"train_ytid_list\.txt, line 1: .*line 2 of kinetics400\.csv and line 4"):
        kinetics.read_mini(write(tmp_path, files), "train")


def test_adafocus_lists_without_folders_of_classes_have_numbers_for_names(tmp_path: Path):
    files = {"mini_train_videofolder.txt": "train/a b\t60\t1\ntrain/c  9  0\n", "mini_val_videofolder.txt": "val/d 9 1"}
    listing = kinetics.read_mini_adafocus(write(tmp_path, files), "train")
    assert listing == Listing(("class 0", "class 1"), (Entry("train/a b", (1,)), Entry("train/c", (0,))))
