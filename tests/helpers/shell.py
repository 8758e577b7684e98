"""The shell's command, as the tests call it."""

import pytest

from napari_rpsnn.cli.fuse import main


def fuse(*args):
    """Exit status of ``napari-rpsnn fuse``."""
    return main(["fuse", *map(str, args)])


def refused(capsys, *args):
    """Message of a usage error."""
    with pytest.raises(SystemExit) as end:
        fuse(*args)
    assert end.value.code == 2
    return " ".join(capsys.readouterr().err.split())
