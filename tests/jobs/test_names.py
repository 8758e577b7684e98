from pathlib import Path

import pytest

from napari_rpsnn.jobs.names import pattern, split


def grouped(names):
    return {name: [path.name for path in group] for name, group in split([Path("in") / n for n in names]).items()}


@pytest.mark.parametrize(
    "names",
    [
        ["near.png", "far.png"],
        ["plane2.png", "plane10.png", "plane11.png"],
        ["IMG_1.png", "IMG_2.png", "fused.png"],
        # A clock is no grid, whatever repeats.
        [f"2024-05-01 12.{m}.{s}.jpg" for m, s in ((30, 58), (30, 59), (31, 1), (31, 2), (31, 58))],
        [f"scan_2024_{k:03}.tif" for k in range(4)],
        [f"x{k}_z{2 * k}.tif" for k in range(4)],
        ["z1.tif"],
        [f"z_{k / 2:.1f}um.tif" for k in range(6)],
        [f"{k / 2:.1f}.tif" for k in range(6)],
        [f"z_{step}.tif" for step in ("1.25", "1.5", "2.0")],
        [f"z{k}.tif" for k in (-2, -1, 0, "+1", "+2")],
    ],
)
def test_one_stack_is_one(names):
    assert grouped(names) == {"": names}


@pytest.mark.parametrize(
    ("pattern_of_names", "groups"),
    [
        ("img_channel{c:03}_position000_time000000000_z{z:03}.tif", ["channel000", "channel001"]),
        ("s1_ch{c}_z{z}.png", ["ch0", "ch1"]),
        ("T{c:04}_{z:04}.tif", ["t0000", "t0001"]),
        ("plane{z}_w{c}.tif", ["w0", "w1"]),
        ("c{c}_z{z}.5um.tif", ["c0", "c1"]),
    ],
)
def test_names_that_count_in_two_ways_are_several_stacks(pattern_of_names, groups):
    names = [pattern_of_names.format(c=c, z=z) for c in range(2) for z in range(3)]
    found = grouped(names)
    assert list(found) == groups
    assert list(found.values()) == [names[:3], names[3:]]
    # One that is missing does not change it, where words say what is counted.
    assert list(grouped(names[:-1])) == groups


def test_words_that_differ_are_several_stacks():
    assert list(grouped([f"{dye}_z{k}.tif" for dye in ("DAPI", "GFP") for k in range(3)])) == ["DAPI_z", "GFP_z"]


def test_names_that_differ_in_their_suffix_or_in_signs_lose_no_file():
    names = {suffix: [f"IMG_{k}.{suffix}" for k in range(5)] for suffix in ("jpg", "tif")}
    assert grouped([*names["jpg"], *names["tif"]]) == {"IMG_jpg": names["jpg"], "IMG_tif": names["tif"]}
    names = {sign: [f"a{sign}{k}.tif" for k in range(3)] for sign in "_-"}
    assert list(grouped([*names["_"], *names["-"]]).values()) == [names["_"], names["-"]]


def test_numbers_without_a_word_are_refused_with_both_readings():
    with pytest.raises(ValueError, match=r"in: .*2 stacks of 3 planes \(a0_\*\.tif\)|3 stacks of 2"):
        split([Path("in") / f"a{i}_{k}.tif" for i in range(2) for k in range(3)])


def test_points_between_two_counts_are_no_decimals():
    with pytest.raises(ValueError, match="names that count in two ways"):
        split([Path("in") / f"a{i}.{k}.tif" for i in (1, 2) for k in (1, 2, 3)])


def test_the_pattern_of_a_group_matches_it():
    assert pattern([Path(f"c0_z{k}.tif") for k in range(3)]) == "c0_z*.tif"
