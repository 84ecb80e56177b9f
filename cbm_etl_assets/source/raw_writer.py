"""One raw Parquet file: zstd, statistics, page checksums, and a SHA-256 taken while it is written.

Owns the file from creation to fsync. Knows nothing of drivers or of the lake's folders.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from cbm_etl_assets.metadata.manifest import RawFile

# A row group is written when either bound is reached. Small ones would drown a wide table in metadata: 436,000 x 600 in
# groups of one batch (830 rows) is 315,000 column chunks and a footer of 60 MB; 4 million cells make it 40,000.
GROUP_CELLS = 4_000_000
GROUP_BYTES = 48 * 1024 * 1024


class _HashingFile:
    """A binary sink that hashes what passes; only what Arrow needs of a file. hashlib releases the GIL above 2 kB."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=1024 * 1024)
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        self._digest.update(data)
        self._file.write(data)
        size = memoryview(data).nbytes
        self.bytes += size
        return size

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.bytes

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        if not self.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.closed = True

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class RawWriter:
    """Collects batches into row groups. `finish()` makes the file whole; leaving the block without it removes the file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._path = path
        self._schema = schema
        self._sink = _HashingFile(path)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), schema, compression="zstd", compression_level=1, write_statistics=True,
            write_page_checksum=True, use_dictionary=False,  # zstd finds repeats as well: same size, a fifth less CPU on both sides
        )  # fmt: skip
        self._waiting: list[pa.RecordBatch] = []
        self._cells = 0
        self._waiting_bytes = 0
        self._finished = False

    @property
    def bytes(self) -> int:
        return self._sink.bytes

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._cells += batch.num_rows * batch.num_columns
        self._waiting_bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._cells >= GROUP_CELLS or self._waiting_bytes >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> RawFile:
        """A result without rows is a file too: it carries the schema."""
        self._write_group()
        self._writer.close()
        self._sink.close()
        self._finished = True
        return RawFile(name=self._path.name, rows=self.rows, bytes=self._sink.bytes, sha256=self._sink.hexdigest())

    def _write_group(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._waiting, self._cells, self._waiting_bytes = [], 0, 0
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def __enter__(self) -> RawWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._finished:
            self._waiting = []
            self._writer.close()
            self._sink.close()
            self._path.unlink(missing_ok=True)
