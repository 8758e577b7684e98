from types import SimpleNamespace

from napari_rpsnn.plugin.together import in_order


def test_layers_are_in_the_order_that_their_files_would_be_in():
    names = ["z_0.25um", "z_0.5um", "z_1um", "z_10um"]
    assert [layer.name for layer in in_order([SimpleNamespace(name=name) for name in sorted(names)[::-1]])] == names
