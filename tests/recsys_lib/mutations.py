"""What somebody was sent: bytes, arrays and JSON, changed by a seeded generator."""

import copy

import numpy as np
import pytest

from recsys_lib import io

# What a hand, a broken disk or a spreadsheet puts into a file.
PIECES = [
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b'"', b'""', b"'", b",", b"::",
    b":", b"\t", b"|", b"-", b"+", b".", b"e5", b"E-400", b"1e1", b"0x13", b"1_9", b"nan", b"NaN",
    b"inf", b"-0", b"00", b"007", b"null", b"NA", b"None", b"true", b"2147483648", b"4294967297",
    b"9223372036854775808", b"-9223372036854775809", b"0.30000000000000004", b"4.50", b"5.0000001",
    b"\xc2\xa0", b"\xe2\x80\xa8", b"\xd9\xa3", b"\\", b"#", b";", b"=1+1", b"\x1a", b"\x0c",
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2, 7, 2**30, -(2**30), 2**31 - 1, -(2**31), np.nan, np.inf, -np.inf, 1e-40, 3e38,
]  # fmt: skip
VALUES = [
    None, True, False, -5, -1, 0, 1, 99, 2**31, 2**70, -0.5, 1e308, float("nan"), float("inf"),
    "", "x", "3", "\0", [], [1], ["x"], {}, {"x": 1}, [[]], [None], "float32", "Popularity",
]  # fmt: skip
NAMES = ["more_", "x", "mu_", "predict", "_known", "epoch"]
TYPES = [np.float32, np.float64, np.int32, np.int64, np.uint8]


def short_and_long(short, long):
    """Run a test with `short` inputs, and with `long` ones where `make test-long` asks for it."""
    return pytest.mark.parametrize("n", [short, pytest.param(long, marks=pytest.mark.long)])


def one_of(options, rng):
    return options[rng.integers(len(options))]


def mutated_bytes(raw, rng):
    """Return the bytes with one to three changes: cut, flipped, repeated, or others put in."""
    for _ in range(rng.integers(1, 4)):
        a, b = np.sort(rng.integers(0, len(raw) + 1, 2)).tolist()
        near, row = a + int(rng.integers(1, 6)), raw.rfind(b"\n", 0, b) + 1
        flipped = bytes(byte ^ 1 << int(rng.integers(8)) for byte in raw[a:near])
        piece, noise = one_of(PIECES, rng), rng.bytes(len(flipped))
        options = [
            raw[:a] + piece + raw[a:], raw[:a] + piece + raw[near:], raw[:row] + piece + raw[row:],
            raw[:a] + flipped + raw[near:], raw[:a] + noise + raw[near:], raw[:a] + raw[near:],
            raw[:a], raw[:a] + raw[b:], raw[:b] + raw[a : a + 200] + raw[b:],
        ]  # fmt: skip
        raw = one_of(options, rng)
    return raw


def mutated_array(array, rng):
    """Return the array with other numbers, or of another length, type or shape."""
    array = array.copy()
    flat = array.reshape(-1)
    start = int(rng.integers(max(1, array.size)))
    with np.errstate(all="ignore"):
        if array.dtype == object:
            flat[start : start + 1] = one_of(["", "\0", "x" * 300, "1"], rng)
        elif rng.random() < 0.5:
            number = np.asarray(one_of(NUMBERS, rng)).astype(array.dtype)
            flat[start : start + 1 + int(rng.integers(3)) ** 2] = number
        else:
            options = [flat[:start], np.concatenate([flat, flat]), array[None], array[::-1], flat]
            array = one_of([*options, array.astype(one_of(TYPES, rng))], rng)
    return np.ascontiguousarray(array)


def mutated_json(value, rng):
    """Return what JSON holds with one entry changed, dropped, added or renamed."""
    value = here = copy.deepcopy(value)
    while here:
        key = one_of(list(here) if isinstance(here, dict) else range(len(here)), rng)
        if isinstance(here[key], dict | list) and rng.random() < 0.7:
            here = here[key]
            continue
        new, kind = copy.deepcopy(one_of(VALUES, rng)), rng.integers(6)
        if kind == 0:
            del here[key]
        elif isinstance(here, dict) and kind < 3:
            here[one_of(NAMES, rng)] = here.pop(key) if kind == 1 else new
        else:
            here[key] = new
        break
    return value


def mutated_file(path, arrays, meta, rng):
    """Write a file whose checksum is right, with a change in an array or in the header."""
    arrays = dict(arrays)
    if rng.random() < 0.5:
        key = one_of(list(arrays), rng)
        arrays[key] = mutated_array(arrays[key], rng)
    else:
        meta = mutated_json(meta, rng)
    io.save_arrays(path, arrays, meta)
