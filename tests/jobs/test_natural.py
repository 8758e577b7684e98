from pathlib import Path

import numpy as np
import pytest

from napari_rpsnn.jobs.natural import in_order


@pytest.mark.parametrize(
    "names",
    [
        ["plane2.png", "plane10.png", "plane11.png"],
        ["img_1.5.tif", "img_001.5b.tif", "img_010.tif"],
        ["z_1.25.tif", "z_1.5.tif", "z_2.0.tif"],
        ["-0.25um.tif", "-0.5um.tif", "-1um.tif", "-10.5um.tif"],
        [f"{step}.tif" for step in ("0.25", "0.5", "0.75", "1.0")],
        # The second number is one of its own: 1.1 and 1.10 are two, and steps are not even.
        [f"stack1.{k}.tif" for k in range(1, 13)],
        [f"stack1.{k}.tif" for k in range(2, 13)],
        [f"slice 1.{k}.tif" for k in range(1, 11)],
        ["exp 0.5um/1.9.tif", "exp 0.5um/1.10.tif"],
        ["a_1.2.3.tif", "a_1.2.10.tif", "a_1.10.1.tif"],
        ["2024.5.1_z1.tif", "2024.5.10_z1.tif", "2024.10.1_z1.tif"],
        # A sign is one where there is a plus, or none, in its place.
        ["z-2.tif", "z-1.tif", "z0.tif", "z+1.tif", "z+2.tif"],
        ["z_-1.5um.tif", "z_-0.5um.tif", "z_+0.5um.tif"],
        ["z-1.tif", "z-2.tif", "z-10.tif"],
        ["z-10um.tif", "z-5um.tif", "z0um.tif", "z5um.tif"],
        ["-0.5.tif", "-0.25.tif", "0.0.tif", "0.25.tif"],
        ["of 2024-05-01/img-1.tif", "of 2024-05-01/img-2.tif"],
        # What has no number was there first.
        ["IMG.jpg", "IMG (1).jpg", "IMG (2).jpg", "IMG (10).jpg"],
        ["20240501_120000.jpg", "20240501_120000(0).jpg", "20240501_120000(1).jpg"],
        ["dr.smith.2.ome.tif", "dr.smith.10.ome.tif", "dr.smith.10b.ome.tif"],
        ["with+2h/img-1.tif", "with+2h/img-2.tif"],
        ["2024-05-01_z+1.tif", "2024-05-02_z-1.tif", "2024-05-02_z+1.tif"],
    ],
)
def test_natural_order(names):
    mixed = np.random.default_rng(0).permutation(names)
    assert [path.as_posix() for path in in_order(map(Path, mixed))] == names
