import pytest

from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.choices import FILE, Choices


def test_choices_survive_being_kept():
    chosen = Choices(
        model="rpsnn-lite", device="cuda:1", method="regression", register="affine", tile=256, return_index=True
    )
    assert Choices.of(chosen.kept) == chosen
    assert (chosen.kept["tile"], Choices().kept["register"]) == ("256", "none")


def test_what_is_unknown_in_kept_choices_is_left_at_its_default():
    kept = {"model": "gone", "method": 3, "tile": "17", "return_height": "yes", "order": "tree", "other": 1}
    assert Choices.of(kept) == Choices(order="tree")


def test_fuse_gets_what_was_chosen(tmp_path):
    assert Choices().options(FuseOptions) == FuseOptions()
    file = tmp_path / "mine.pth"
    file.touch()
    chosen = Choices(register="affine", tile=256, model=FILE, model_file=str(file), order="tree")
    assert chosen.options(StackOptions, axis=1) == StackOptions(
        register="affine", tile=256, model=str(file), order="tree", axis=1
    )


def test_by_regression_nothing_is_decided():
    chosen = Choices(method="regression", return_map=True)
    assert chosen.options(FuseOptions, guide_channel=1, channel_axis=0) == FuseOptions(
        method="regression", channel_axis=0
    )


def test_a_model_that_is_no_file_is_refused():
    Choices(model_file="nowhere").options(FuseOptions)
    with pytest.raises(ValueError, match="expected a weights file, got 'nowhere'"):
        Choices(model=FILE, model_file="nowhere").options(FuseOptions)
