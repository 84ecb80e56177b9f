"""The row-level path: which rows of a batch cannot be loaded, why, and the hashes of all the others.

Taken only when the vectorised path of `transform.rows` has raised: a batch without a bad row never comes here. Knows
nothing of drivers, thresholds or the quarantine's tables.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cbm_etl_assets.errors import ConversionError, NullKeyError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import ColumnSpec, NonFinite, TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.transform import convert
from cbm_etl_assets.transform.rows import RowTransform

if TYPE_CHECKING:
    import pyarrow as pa

MASKED = "***"
_SHOWN_CHARS = 60
# A row of 613 columns stays under 150 kB in the quarantine, and what a person needs to recognise a value is at its start.
_PAYLOAD_CHARS = 200


@dataclass(frozen=True)
class RowError:
    """`value` is the text the driver gave where the raw file cannot hold it; None where the raw row holds the value."""

    column: str
    error_class: str
    message: str
    value: str | None = None


@dataclass(frozen=True)
class Hashed:
    """`key` NULL: the row's key is not known. `diff` NULL: the row is bad; `bad` says why."""

    key: pa.Array
    diff: pa.Array
    bad: tuple[BadRow, ...] = ()


def hash_rows(transform: RowTransform, batch: pa.RecordBatch, known: Mapping[int, RowError] | None = None) -> Hashed:
    """Hashes of every row that can be loaded. `known`: rows already found bad by the caller (their bad value is NULL here)."""
    cleaned = transform.cleaned.copy()
    if not known:
        try:
            return Hashed(*transform.hashes(batch))
        except (ConversionError, NullKeyError):
            transform.cleaned = cleaned.copy()  # the good rows are counted again below
    errors = check(transform, batch) | dict(known or {})
    good = [row for row in range(batch.num_rows) if row not in errors]
    key, diff = transform.hashes(batch.take(_indices(good)))
    spec = transform.spec
    keyed = [row for row in sorted(errors) if _has_key(transform, errors[row], batch, row)]
    cleaned = transform.cleaned.copy()
    bad_keys = transform.key_hashes(batch.take(_indices(keyed))) if keyed else key.slice(0, 0)
    transform.cleaned = cleaned
    keys = dict(zip(keyed, bad_keys.to_pylist(), strict=True))
    bad = tuple(bad_row(spec, batch.slice(row, 1).to_pylist()[0], errors[row], keys.get(row)) for row in sorted(errors))
    return Hashed(_spread(key, good, batch.num_rows, keys), _spread(diff, good, batch.num_rows, {}), bad)


def check(transform: RowTransform, batch: pa.RecordBatch) -> dict[int, RowError]:
    """Row -> its first error, in column order; empty when every row converts."""
    spec = transform.spec
    found: dict[int, RowError] = {}
    frame = pl.DataFrame(pl.from_arrow(batch.select([c.name for c in spec.kept_columns])))
    for column in spec.kept_columns:
        for wrong, error_class, what in _misfits(transform, column, frame.get_column(column.name)):
            for row in wrong.arg_true():
                if row not in found:
                    found[row] = RowError(column.name, error_class, f"column '{column.name}': {_said(column, what, batch, row)}")
    return found


def _misfits(transform: RowTransform, column: ColumnSpec, values: pl.Series) -> Iterator[tuple[pl.Series, str, str]]:
    """Per check of a column: which rows fail it, the error's class, what to say ('{value}' stands for the value)."""
    conversion = ConversionError.__name__
    parts = [values]
    if column.extent and column.explode:
        wrong = convert.misfit_elements(values, column.extent)
        yield wrong, conversion, f"value {{value}} does not hold {column.extent} array elements"
        parts = convert.split_elements(values.set(wrong, None), column.extent)
    for part in parts:
        out = convert.clean(part, column.clean)[0] if column.clean else part
        if not (column.extent and not column.explode):
            out, wrong = convert.try_type(out, column.logical)
            yield wrong, conversion, f"value {{value}} does not fit the declared type {column.logical}"
        if column.non_finite is NonFinite.QUARANTINE:
            yield convert.non_finite(out), conversion, "value {value} is not finite, and non_finite is quarantine"
        lost = None if column.mask else convert.unstorable(out, transform.unstorable)
        if lost is not None:
            yield lost, conversion, "value {value} cannot be stored in the warehouse"
        if column.name in _key_names(transform.spec):
            yield out.is_null(), NullKeyError.__name__, "the key is NULL"


def _said(column: ColumnSpec, what: str, batch: pa.RecordBatch, row: int) -> str:
    if "{value}" not in what:
        return what
    shown = "(hidden: the column is masked)"
    if not column.mask:
        shown = repr(value_text(batch.column(batch.schema.get_field_index(column.name))[row].as_py()))[:_SHOWN_CHARS]
    return what.replace("{value}", shown, 1)


def _key_names(spec: TableSpec) -> set[str]:
    return {spec.column(key).name for key in spec.primary_key}


def _has_key(transform: RowTransform, error: RowError, batch: pa.RecordBatch, row: int) -> bool:
    """Whether the bad row's key can be hashed: its error lies in another column, and no later key column is bad too."""
    keys = _key_names(transform.spec)
    if not keys or error.column in keys:
        return False
    one = batch.slice(row, 1)
    frame = pl.DataFrame(pl.from_arrow(one))
    checks = (m for name in keys for m in _misfits(transform, transform.spec.column(name), frame.get_column(name)))
    return not any(wrong.any() for wrong, _, _ in checks)


def bad_row(spec: TableSpec, values: Mapping[str, object], error: RowError, key_hash: bytes | None) -> BadRow:
    """`values`: the raw row by source name, as far as it is known."""
    given = {c.name: values.get(c.name) for c in spec.kept_columns if c.name in values}
    shown = {name: _shown(spec.column(name), error.value if name == error.column and error.value else v) for name, v in given.items()}
    payload = json.dumps(shown, ensure_ascii=False)
    columns = [spec.column(key) for key in spec.primary_key]
    key = {c.name: MASKED if c.mask and given.get(c.name) is not None else value_text(given.get(c.name)) for c in columns}
    named = key_hash is not None and bool(columns)
    return BadRow(
        key_hash=key_hash.hex() if key_hash is not None else hashlib.sha256(f"{error.column}\n{payload}".encode()).hexdigest(),
        key_json=json.dumps(key, ensure_ascii=False),
        can_retry=named and not any(c.mask or c.source_logical.kind is Kind.BINARY for c in columns),
        column=error.column, error_class=error.error_class, message=error.message, payload=payload,
    )  # fmt: skip


def _shown(column: ColumnSpec, value: object) -> str | None:
    text = value_text(value)
    if text is None or column.mask:
        return None if text is None else MASKED
    return text if len(text) <= _PAYLOAD_CHARS else f"{text[:_PAYLOAD_CHARS]}… ({len(text)} characters)"


def value_text(value: object) -> str | None:
    """A value as text a read by key understands: stamps with microseconds, aware ones in UTC, logicals as 1 and 0."""
    if isinstance(value, dt.datetime):
        naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(" ", "microseconds") + ("+00:00" if value.tzinfo else "")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return str(int(value))
    return None if value is None else str(value)


def _indices(rows: list[int]) -> pa.Array:
    import pyarrow as pa

    return pa.array(rows, pa.int64())


def _spread(hashes: pa.Array, rows: list[int], count: int, others: Mapping[int, bytes]) -> pa.Array:
    """The hashes of some rows among all of them; the rest NULL, or as `others` says."""
    import pyarrow as pa

    values = dict(zip(rows, hashes.to_pylist(), strict=True)) | dict(others)
    return pa.array([values.get(row) for row in range(count)], hashes.type)
