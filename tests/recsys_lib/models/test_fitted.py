"""Saving and loading: whole files or none."""

import pickle
import struct

import pytest

from recsys_lib import models
from recsys_lib.errors import DataError


def test_files_that_hold_no_model_are_refused(parts, tmp_path):
    models.ALS(n_factors=2, n_epochs=1).fit(parts[0], run_dir=tmp_path).save(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    size = 8 + struct.unpack("<Q", whole[:8])[0]
    header = whole[8:size].replace(rb"\"format\": 2", rb"\"format\": 9")
    (tmp_path / "newer").write_bytes(whole[:8] + header + whole[size:])
    (tmp_path / "cut").write_bytes(whole[:-100])
    (tmp_path / "junk").write_bytes(pickle.dumps({"a": 1}))
    refused = {"absent": "no file", "checkpoint.safetensors": "no fitted model"}
    refused |= dict.fromkeys(("junk", "cut"), "not saved by this") | {"newer": "update recsys_lib"}
    for name, says in refused.items():
        with pytest.raises(DataError, match=says):
            models.load(tmp_path / name)
