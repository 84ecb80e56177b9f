"""Framing of the wire protocol."""

from __future__ import annotations

import struct
from dataclasses import replace

from cbm_etl_assets.twin import wire


def row(text: bytes) -> bytes:
    return wire.message(b"D", struct.pack("!HI", 1, len(text)) + text)


def test_rows_are_stepped_over_whole_and_up_to_the_limit() -> None:
    data = row(b"a") + row(b"bb") + row(b"ccc")
    assert wire.skip_rows(data, 0, 99) == (len(data), 3)
    assert wire.skip_rows(data, 0, 2) == (len(data) - len(row(b"ccc")), 2)
    for cut in range(1, len(row(b"ccc"))):
        assert wire.skip_rows(data[:-cut], 0, 99)[1] == 2
    assert wire.skip_rows(wire.message(b"C", b"x\0") + data, 0, 99) == (0, 0)


def test_a_description_is_changed_field_by_field() -> None:
    field = struct.pack("!IhIhih", 16521, 2, wire.TEXT, -1, -1, 0)
    raw = wire.message(b"T", struct.pack("!H", 2) + b"Nom\0" + field + "Numéro".encode() + b"\0" + field)
    assert wire.describe(raw, lambda f: f) == raw
    seen: list[str] = []

    def narrow(f: wire.Field) -> wire.Field:
        seen.append(f.name)
        return replace(f, type_oid=wire.VARCHAR, modifier=34)

    assert wire.describe(raw, narrow) == raw.replace(field, struct.pack("!IhIhih", 16521, 2, wire.VARCHAR, -1, 34, 0))
    assert seen == ["Nom", "Numéro"]


def test_an_error_survives_its_packing() -> None:
    error = wire.WireError("22P00", "Column Nom é", "ERROR")
    assert wire.WireError.unpack(error.pack()) == error


def test_bound_parameters_text_binary_and_null() -> None:
    body = b"p\0s\0" + struct.pack("!HHHH", 3, 0, 1, 0) + struct.pack("!H", 3)
    body += struct.pack("!I", 2) + b"ab" + struct.pack("!I", 2) + b"\x00\xff" + struct.pack("!i", -1) + struct.pack("!H", 0)
    assert wire.bound_parameters(body) == ("p", "s", ["ab", "00ff", None])
