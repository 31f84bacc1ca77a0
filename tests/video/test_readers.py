"""Lists in the formats of the real ones, as they are and as people bend them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ada3d_gym.datasets import VIDEO_SETS
from ada3d_gym.video.indexing.listing import Entry, ListError, Listing, find_files, read_splits
from ada3d_gym.video.readers import activitynet, fcvid, kinetics, plain


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_csv", ".csv").replace("_txt", ".txt").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


@pytest.mark.parametrize("name", VIDEO_SETS)
def test_every_set_lists_its_fixture(name: str, sets: Path):
    listings = read_splits(VIDEO_SETS[name].read, sets / name)
    assert len({listing.class_names for listing in listings.values()}) == 1
    for listing in listings.values():
        assert len(listing.entries) == 8
        assert {entry.labels[0] for entry in listing.entries} == {0, 1, 2, 3}
        assert all(file and file.is_file() for file in find_files(sets / name, listing.entries))
    train, test = ({str(p) for p in find_files(sets / name, listings[s].entries)} for s in ("train", "test"))
    assert not train & test


def test_fcvid_reads_both_separators_windows_line_ends_and_backslashes(tmp_path: Path):
    root = write(
        tmp_path,
        materials__FCVID_VideoName_TrainTestSplit_txt="birds\\a b.mp4\ttrain\r\nc/c.avi test\r\nx.mp4  TRAIN\r\n\r\n",
        materials__FCVID_Label_txt="1\t0\t1\n0 1 0\n0\t0\t1\n",
    )
    assert fcvid.read(root, "train").entries == (Entry("birds/a b.mp4", (0, 2)), Entry("x.mp4", (2,)))
    assert fcvid.read(root, "test").entries == (Entry("c/c.avi", (1,)),)
    assert fcvid.read(root, "test").class_names == ("class 0", "class 1", "class 2")


def test_fcvids_other_lists(tmp_path: Path):
    root = write(
        tmp_path,
        fcvid_train_split_txt="birds/a,120,3\nb,7,1,2\n",
        fcvid_val_split_txt="c.mp4,50,0\n",
        classInd_txt="w\nx\ny\nz z\n",
    )
    assert fcvid.read(root, "train").entries == (Entry("birds/a", (3,)), Entry("b", (1, 2)))
    assert (
        fcvid.read(root, "val") == fcvid.read(root, "test") == Listing(("w", "x", "y", "z z"), (Entry("c.mp4", (0,)),))
    )


def test_activitynet_sorts_classes_and_keeps_each_label_once(tmp_path: Path):
    database = {
        "aaa": {"subset": "training", "annotations": [{"label": "Zumba"}, {"label": "Zumba"}]},
        "bbb": {"subset": "validation", "annotations": [{"label": "Archery"}, {"label": "Zumba"}]},
        "ccc": {"subset": "testing", "annotations": []},
    }
    (tmp_path / activitynet.FILE).write_text(json.dumps({"database": database}))
    assert activitynet.read(tmp_path, "train") == Listing(("Archery", "Zumba"), (Entry("v_aaa", (1,)),))
    assert activitynet.read(tmp_path, "val").entries == (Entry("v_bbb", (0, 1)),)


def test_activitynets_other_lists(tmp_path: Path):
    root = write(tmp_path, train_txt="v_a-b 120 3\nv_c 7 1 2\n", val_txt="v_d 50 0\n")
    assert activitynet.read(root, "train").entries == (Entry("v_a-b", (3,)), Entry("v_c", (1, 2)))
    assert read_splits(activitynet.read, root)["val"].class_names == tuple(f"class {i}" for i in range(4))


KINETICS = 'label,youtube_id,time_start,time_end,split\n"abseiling, fast",-a_b,4,14,train\nair drumming,c,10,20,{val}\n'


@pytest.mark.parametrize("val", ["val", "validate"])
def test_kinetics_in_one_file_or_two(tmp_path: Path, val: str):
    one = write(tmp_path / "one", kinetics400_csv=KINETICS.format(val=val))
    header, train, validation = KINETICS.format(val=val).splitlines()
    two = write(tmp_path / "two", train_csv=f"{header}\n{train}\n", **{f"{val}_csv": f"{header}\n{validation}\n"})
    for root in (one, two):
        listing = kinetics.read(root, "train")
        assert listing.class_names == ("abseiling, fast", "air drumming")
        assert listing.entries == (Entry("train/abseiling, fast/-a_b_000004_000014", (0,)),)
        assert kinetics.read(root, "test").entries[0].path.endswith("/c_000010_000020")


def test_the_two_mini_kinetics_are_not_one(tmp_path: Path):
    root = write(
        tmp_path,
        kinetics400_csv=KINETICS.format(val="val"),
        train_ytid_list_txt="-a_b\n",
        val_ytid_list_txt="c\n",
        mini_train_videofolder_txt="images/train/air drumming/x y_000000_000010 60 1\n",
        mini_val_videofolder_txt="images/val/abseiling/z_000000_000010 60 0\n",
    )
    assert kinetics.read_mini(root, "train").entries == (Entry("train/abseiling, fast/-a_b_000004_000014", (0,)),)
    theirs = read_splits(kinetics.read_mini_adafocus, root)
    assert theirs["train"].entries == (Entry("images/train/air drumming/x y_000000_000010", (1,)),)
    assert theirs["train"].class_names == theirs["val"].class_names == ("abseiling", "air drumming")


def test_a_plain_list_takes_spaces_and_absolute_paths(tmp_path: Path):
    root = write(tmp_path, train_csv="my clips/a b.mp4 1\n/else/c.mp4 0\n", val_csv="d.mp4 0\n", classes_txt="x\ny\n")
    listing = plain.read(root, "train")
    assert listing == Listing(("x", "y"), (Entry("my clips/a b.mp4", (1,)), Entry("/else/c.mp4", (0,))))


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("fcvid", {}, r"FCVID_VideoName_TrainTestSplit\.txt: expected FCVID's list"),
        (
            "fcvid",
            {
                "materials__FCVID_VideoName_TrainTestSplit_txt": "a.mp4 train\nb.mp4\n",
                "materials__FCVID_Label_txt": "1 0\n0 1\n",
            },
            r"Split\.txt, line 2: expected 'relative/path\.ext train\|test', got 'b\.mp4'",
        ),
        (
            "fcvid",
            {"materials__FCVID_VideoName_TrainTestSplit_txt": "a train\n", "materials__FCVID_Label_txt": "1 2\n"},
            r"Label\.txt, line 1: expected 2 columns of 0 or 1",
        ),
        (
            "fcvid",
            {"materials__FCVID_VideoName_TrainTestSplit_txt": "a train\n", "materials__FCVID_Label_txt": "1\n1\n"},
            r"Label\.txt: expected a row for each of the 1 videos",
        ),
        ("fcvid", {"fcvid_train_split_txt": "a,5,1\n", "fcvid_val_split_txt": "b;5;1\n"}, r"val_split\.txt, line 1"),
        ("activitynet", {}, r"min\.json: expected ActivityNet's annotations"),
        ("activitynet", {"activity_net.v1-3.min_json": "{"}, r"min\.json: expected JSON with 'database'"),
        ("activitynet", {"activity_net.v1-3.min_json": '{"database": []}'}, r"min\.json: expected JSON"),
        ("kinetics", {"kinetics400_csv": "a,b\n1,2\n"}, r"kinetics400\.csv, line 1: expected a header"),
        (
            "kinetics",
            {"kinetics400_csv": "label,youtube_id,time_start,time_end,split\na,b,c,d,train\n"},
            r"kinetics400\.csv, line 2: expected label,youtube_id,seconds",
        ),
        (
            "mini-kinetics",
            {"kinetics400_csv": KINETICS, "train_ytid_list_txt": "nowhere\n", "val_ytid_list_txt": ""},
            r"train_ytid_list\.txt, line 1: expected the id of a video .* got 'nowhere'",
        ),
        ("mini-kinetics-adafocus", {"mini_train_videofolder_txt": "a 1\n"}, r"videofolder\.txt, line 1"),
        ("videos", {"train_csv": "a.mp4 1\nb.mp4 one\n"}, r"train\.csv, line 2: expected rows of 'path label'.*'one'"),
        ("videos", {"train_csv": "a.mp4 2\n", "classes_txt": "x\ny\n"}, r"line 1: expected a label of 0 to 1, got '2'"),
        ("videos", {"train_csv": "\udcff".encode("utf-8", "surrogateescape").decode("latin1")}, r"train\.csv, line 1"),
    ],
)
def test_a_list_that_is_not_in_its_format_is_named_with_the_line(name: str, files, told: str, tmp_path: Path):
    write(tmp_path, **files)
    with pytest.raises(ListError, match=told):
        read_splits(VIDEO_SETS[name].read, tmp_path)
