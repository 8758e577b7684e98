"""The samples in the real napari window, on a virtual display."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.mark.parametrize(
    ("key", "names", "ndim"),
    [
        ("brightfield_pair", ["near", "far", "truth"], 2),
        ("fluorescence_stack", ["stack", "truth", "true height in um"], 3),
    ],
)
def test_a_sample_opens_with_its_truth_hidden(viewer, key, names, ndim):
    viewer.open_sample("napari-rpsnn", key)
    assert [layer.name for layer in viewer.layers] == names
    assert viewer.dims.ndim == ndim
    for layer in viewer.layers:
        assert layer.visible == (not layer.name.startswith("tru"))
        np.testing.assert_allclose(layer.scale, (2.0, 0.325, 0.325)[-layer.ndim :])
        assert {str(unit) for unit in layer.units} == {"micrometer"}
        assert tuple(layer.axis_labels) == ("z", "y", "x")[-layer.ndim :]
    picture = viewer.screenshot(canvas_only=True, flash=False)
    assert picture[..., :3].std() > 5  # something is to be seen


def test_the_panel_for_stacks_opens_with_the_stack_though_its_height_is_selected(viewer):
    viewer.open_sample("napari-rpsnn", "fluorescence_stack")
    assert viewer.layers.selection.active.name == "true height in um"
    widget = viewer.window.add_plugin_dock_widget("napari-rpsnn", "Fuse a stack")[1]
    assert widget.image.value.name == "stack"
    assert widget.read().sources.names == ("stack",)
