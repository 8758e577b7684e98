import hashlib
import json

from napari_rpsnn.io.provenance import made_by, record, sha256


def test_a_record_is_json_and_has_all_of_it():
    notes = []
    chosen = {"model": "rpsnn", "device": "cpu"}
    made = made_by({"method": "decision", "tile": 512}, chosen, notes)
    notes.append("halved")  # while the work goes on
    said = record(made, ["a", "b"], 1.23456)
    assert json.loads(json.dumps(said)) == said
    assert said["sources"] == ["a", "b"]
    assert (said["model"], said["device"], said["seconds"]) == ("rpsnn", "cpu", 1.235)
    assert said["options"]["tile"] == 512
    assert said["program"] == "napari-rpsnn"
    assert said["notes"] == ["halved"]


def test_the_hash_is_that_of_the_file(tmp_path):
    file = tmp_path / "w"
    file.write_bytes(b"weights")
    assert sha256(file) == hashlib.sha256(b"weights").hexdigest()


def test_versions_are_those_that_run():
    import numpy as np

    assert made_by({}, {}, [])["versions"]["numpy"] == np.__version__
