"""Options are said once: what is written by hand is compared with the fields."""

import inspect
import json
from dataclasses import fields

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_rpsnn import fuse, fuse_stack
from napari_rpsnn.options import FuseOptions, Options, StackOptions, about
from napari_rpsnn.plugin.choices import Choices, listed, rows, text_of


@pytest.mark.parametrize(("function", "kind"), [(fuse, FuseOptions), (fuse_stack, StackOptions)])
def test_the_functions_have_the_options_and_their_defaults(function, kind):
    keywords = inspect.signature(function).parameters.values()
    named = {p.name: p.default for p in keywords if p.kind is p.KEYWORD_ONLY}
    assert named == {option.name: option.default for option in fields(kind)}
    assert function.__kwdefaults__ == named


@pytest.mark.parametrize(("function", "kind"), [(fuse, FuseOptions), (fuse_stack, StackOptions)])
def test_the_docstrings_describe_every_option_with_its_values(function, kind):
    described = inspect.getdoc(function)
    parameters = described[described.index("Parameters\n") : described.index("Returns\n")]
    for option in fields(kind):
        assert option.name in parameters
        if function is fuse or option.name in ("method", "order", "register"):
            for value in about(option).allowed:
                assert repr(value).replace("'", '"') in parameters, (option.name, value)


def test_the_manifest_remembers_what_the_panels_remember():
    manifest = PluginManifest.from_distribution("napari-rpsnn")
    (group,) = manifest.contributions.configurations.values()
    kept = Choices().kept
    assert {name: p.default for name, p in group.properties.items()} == kept
    for option in rows(Choices):
        values = group.properties[option.name].enum
        if not isinstance(option.default, bool) and option.name not in ("model", "device"):
            assert values == [text_of(value) for _, value in listed(option)]


def test_lists_are_tuples_so_that_options_can_be_compared():
    given = {option.name: option.default for option in fields(StackOptions)}
    options = StackOptions.of(given | {"planes": [0, 3], "region": [[0, 4], [1, 5]]})
    assert hash(options) == hash(StackOptions(planes=(0, 3), region=((0, 4), (1, 5))))


def test_what_options_say_is_json():
    said = StackOptions(channel_axis=0, guide_channel=(np.int64(1), 2), tile=64).said
    assert json.loads(json.dumps(said)) == said
    assert (said["guide_channel"], said["tile"], "model" in said) == ([1, 2], 64, False)
    said = StackOptions(planes=(np.int64(1), 2), region=((0, 9), (np.uint8(3), 4))).said
    assert json.loads(json.dumps(said)) == said
    assert said["region"] == [[0, 9], [3, 4]]


@pytest.mark.parametrize(
    ("kind", "given", "error", "message"),
    [
        (FuseOptions, {"method": "average"}, ValueError, "method: expected 'decision' or 'regression', got 'average'"),
        (FuseOptions, {"register": "warp"}, ValueError, "register: expected None, 'translation', 'similarity' or 'aff"),
        (FuseOptions, {"precision": "half"}, ValueError, r"precision: expected 'auto', .* or 'float16', got 'half'"),
        (FuseOptions, {"precision": []}, ValueError, r"precision: expected 'auto', .*, got \[\]"),
        (StackOptions, {"order": None}, ValueError, "order: expected 'cascade' or 'tree', got None"),
        (FuseOptions, {"device": None}, TypeError, "device: expected a string, got None"),
        (StackOptions, {"axis": None}, TypeError, "axis: expected an integer, got None"),
        (StackOptions, {"channel_axis": 0.5}, TypeError, "channel_axis: expected an integer, got 0.5"),
        (StackOptions, {"plane_spacing": "1"}, TypeError, "plane_spacing: expected a number, got '1'"),
        *(
            (StackOptions, {"plane_spacing": x}, ValueError, "plane_spacing: expected a pos")
            for x in (0, -1, np.inf, np.nan, 1e39, 1e-50, 10**400)
        ),
        (StackOptions, {"plane_origin": 1e39}, ValueError, "plane_origin: expected a finite number, got 1e"),
        (StackOptions, {"return_index": "no"}, TypeError, "return_index: expected True or False, got 'no'"),
        (FuseOptions, {"channel_axis": True}, TypeError, "channel_axis: expected an integer, got True"),
        *(
            (FuseOptions, {"guide_channel": x}, TypeError, "guide_channel: expected an integer or a sequence of int")
            for x in (1.5, "0", {0}, [0.5], True)
        ),
        (StackOptions, {"plane_origin": np.nan}, ValueError, "plane_origin: expected a finite number, got nan"),
        *((StackOptions, {"planes": x}, TypeError, "planes: expected two int") for x in (3, (3,), "12", (1.5, 2))),
        *((StackOptions, {"region": x}, TypeError, "region: expected ") for x in ((0, 9), ((0, 9),), ((0, 9), (0,)))),
        *((Options, {"tile": x}, ValueError, "tile: expected 'auto' or a number") for x in (0, -1, 1.5, "big", True)),
        (FuseOptions, {"method": "regression", "return_map": True}, ValueError, "return_map: expected method='deci"),
        (Options, {"method": "regression", "guide_channel": 0}, ValueError, "guide_channel: expected method='deci"),
    ],
)
def test_values_that_are_not_allowed_are_refused_by_name(kind, given, error, message):
    with pytest.raises(error, match=message):
        kind(**given)
