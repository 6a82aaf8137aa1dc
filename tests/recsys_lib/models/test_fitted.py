"""Saving and loading: whole files or none."""

import pickle
import struct

import numpy as np
import pytest

from recsys_lib import io, models
from recsys_lib.errors import DataError


def test_files_that_hold_no_model_are_refused(parts, tmp_path):
    with pytest.raises(DataError, match="no file"):
        models.load(tmp_path / "absent")
    junk = tmp_path / "junk"
    junk.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="not saved by this library"):
        models.load(junk)
    model = models.ALS(n_factors=2, n_epochs=1).fit(parts[0], run_dir=tmp_path)
    model.save(tmp_path / "whole")
    with pytest.raises(DataError, match="no fitted model"):
        models.load(tmp_path / "checkpoint.safetensors")
    newer = (tmp_path / "whole").read_bytes()
    size = struct.unpack("<Q", newer[:8])[0]
    header = newer[8 : 8 + size].replace(rb"\"format\": 2", rb"\"format\": 9")
    (tmp_path / "newer").write_bytes(newer[:8] + header + newer[8 + size :])
    with pytest.raises(DataError, match="update recsys_lib"):
        models.load(tmp_path / "newer")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model"
    path.write_text("precious")
    with pytest.raises(TypeError):
        io.save_arrays(path, {"a": np.zeros(2)}, {"cannot": object()})
    with pytest.raises(RuntimeError, match="half way"), io.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
