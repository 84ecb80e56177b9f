"""Batches on their way into a driver: exactly the types of the staging table, and our own errors kept.

A driver that pulls from Python turns an exception of ours (a corrupt raw file, an interrupt) into a text of its own: the feed
remembers it, and `own_errors_first` raises it again. Casts never round, cut or overflow: what does not fit is a typed error.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConversionError
from cbm_etl_assets.metadata.spec import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa


class Feed:
    def __init__(self, spec: TableSpec, batches: Iterable[pa.RecordBatch]) -> None:
        self._spec = spec
        self._batches = batches
        self._error: BaseException | None = None

    @cached_property
    def schema(self) -> pa.Schema:
        import pyarrow as pa

        fields = [(name, kind.arrow()) for name, kind in self._spec.target_columns]
        return pa.schema([*fields, ("_key_hash", pa.binary()), ("_hashdiff", pa.binary())])

    def reader(self) -> pa.RecordBatchReader:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._exact())

    @contextmanager
    def own_errors_first(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            if self._error is not None:
                raise self._error from None
            raise

    def _exact(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                yield batch if batch.schema.equals(self.schema) else self._cast(batch)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error
            raise

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        columns = []
        for column, field in zip(batch.columns, self.schema, strict=True):
            try:
                columns.append(column.cast(field.type))
            except pa.ArrowInvalid as error:
                raise ConversionError(
                    f"Table '{self._spec.name}': column '{field.name}' does not fit {field.type}: {error}",
                    remedy="correct the column's type in the spec",
                ) from None
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
