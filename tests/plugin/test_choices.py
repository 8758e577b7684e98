from dataclasses import asdict

import pytest

from napari_rpsnn.plugin.choices import FILE, Choices, Remaining, duration


def test_choices_survive_being_kept():
    chosen = Choices(
        model="rpsnn-lite", device="cuda:1", method="regression", align="affine", tile="256", index_map=True
    )
    assert Choices.of(asdict(chosen)) == chosen


def test_what_is_unknown_in_kept_choices_is_left_at_its_default():
    kept = {"model": "gone", "method": 3, "tile": "17", "height_map": "yes", "order": "tree", "other": 1}
    assert Choices.of(kept) == Choices(order="tree")


def test_the_engine_gets_what_fuse_takes():
    assert Choices().engine_options == {
        "method": "decision",
        "register": None,
        "model": "auto",
        "device": "auto",
        "precision": "auto",
        "tile": "auto",
    }
    options = Choices(align="affine", tile="256", model=FILE, model_file="mine.pth").engine_options
    assert (options["register"], options["tile"], options["model"]) == ("affine", 256, "mine.pth")


def test_a_model_that_is_no_file_is_refused(tmp_path):
    Choices(model_file="nowhere").check()
    with pytest.raises(ValueError, match="expected a weights file, got 'nowhere'"):
        Choices(model=FILE, model_file="nowhere").check()
    file = tmp_path / "w.pth"
    file.touch()
    Choices(model=FILE, model_file=str(file)).check()


def test_the_time_left_follows_the_pace_of_the_last_steps():
    remaining = Remaining()
    assert remaining.after(0, 10, 100.0) == "Step 0 of 10"
    assert remaining.after(1, 10, 102.0) == "Step 1 of 10, 18 s left"
    assert remaining.after(3, 10, 106.0) == "Step 3 of 10, 14 s left"
    for done in range(4, 9):
        said = remaining.after(done, 10, 106.0 + 20 * (done - 3))
    assert said == "Step 8 of 10, 34 s left"
    assert remaining.after(8, 10, 999.0) == said  # a report that is not about a step


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")]
)
def test_durations_are_readable(seconds, said):
    assert duration(seconds) == said
