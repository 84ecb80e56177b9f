"""The lake of raw files: publish an extraction, find it again, read it whole or not at all, let old ones go.

Owns the verbs. Layout and meaning of a manifest: metadata.manifest. Knows nothing of sources, warehouses or Dagster.
"""

from __future__ import annotations

import datetime as dt
import getpass
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cbm_etl_assets.errors import CorruptRawFileError
from cbm_etl_assets.lake.paths import MANIFEST, file_name, load_folder, manifest_path, parse_seq, scratch_name, table_folder
from cbm_etl_assets.lake.publication import Publication
from cbm_etl_assets.lake.reader import read_file, verify
from cbm_etl_assets.lake.retention import CleanReport, clean_table, remove_leftovers
from cbm_etl_assets.lake.seal import unseal
from cbm_etl_assets.lake.store import LocalStore, RemoteStore, local_side, open_store, typed_errors
from cbm_etl_assets.metadata.manifest import Manifest, RawFile

if TYPE_CHECKING:
    import pyarrow as pa

    from cbm_etl_assets.settings import Settings

# Of the process, not of one Lake: a clean-up beside a load in the same process must see what the other one writes.
_being_written: set[Path] = set()
_guard = threading.Lock()


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Lake:
    """`url` is a folder or any fsspec URL. Nothing is opened or created until used."""

    def __init__(
        self, url: str, storage_options: Mapping[str, str | SecretStr] | None = None, *, scratch_dir: Path | None = None,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:  # fmt: skip
        self._store = open_store(url, storage_options or {}, scratch_dir or Path(tempfile.gettempdir()) / f"cbm-lake-{getpass.getuser()}")
        self._now = now

    @classmethod
    def from_settings(cls, settings: Settings) -> Lake:
        return cls(settings.lake_url, settings.lake.storage_options, scratch_dir=settings.home / "scratch")

    @property
    def url(self) -> str:
        return self._store.url

    def begin(self, table: str, seq: int) -> Publication:
        """A work folder for one extraction. Raises: LakeError when it cannot be created."""
        publication = Publication(self._store, table, seq)
        with _guard:
            _being_written.add(publication.work_dir)
        return publication

    def tables(self) -> list[str]:
        return [name for name in self._store.names("raw") if not name.startswith(".")]

    def manifests(self, table: str) -> list[Manifest]:
        """Published loads, oldest first. Raises: CorruptRawFileError when a manifest is damaged."""
        found = (self._manifest(table, seq) for seq in self._published(table))
        return [manifest for manifest in found if manifest is not None]

    def latest(self, table: str) -> Manifest | None:
        """The published load with the greatest seq, None when there is none. Raises: CorruptRawFileError."""
        for seq in reversed(self._published(table)):
            manifest = self._manifest(table, seq)
            if manifest is not None:
                return manifest
        return None

    def location(self, manifest: Manifest) -> str:
        return self._store.location(manifest_path(manifest))

    def read(self, manifest: Manifest, *, batch_rows: int | None = None, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields: the batches of all files, in order; ALL files are verified before the first batch.

        Memory: one batch of at most BATCH_CELLS cells.
        Raises: CorruptRawFileError naming the file and what differs; nothing was handed out then.
        """
        with self._lease(manifest), self._local_files(manifest) as files:
            for path, file in files:
                verify(path, file)
            for path, file in files:
                yield from read_file(path, file, batch_rows=batch_rows, columns=columns)

    def verify(self, manifest: Manifest) -> None:
        """Proves the files whole without decoding them. Raises: CorruptRawFileError."""
        with self._local_files(manifest) as files:
            for path, file in files:
                verify(path, file)

    @contextmanager
    def files(self, manifest: Manifest) -> Iterator[list[Path]]:
        """Verified files as local paths, for readers that want columns rather than batches; gone or deletable afterwards."""
        with self._lease(manifest), self._local_files(manifest) as files:
            for path, file in files:
                verify(path, file)
            yield [path for path, _ in files]

    def probe(self) -> None:
        """Writes and removes a small file. Raises: LakeError or ConfigurationError when the lake cannot be written."""
        name = f".probe-{uuid.uuid4().hex}"
        local = local_side(self._store)
        with typed_errors(f"Cannot write in {local.root}"):
            local.root.mkdir(parents=True, exist_ok=True)
            local.path(name).write_bytes(b"probe")
        try:
            if isinstance(self._store, RemoteStore):
                self._store.upload(local.path(name), name)
                self._store.remove(name)
        finally:
            local.remove(name)

    def clean(self, days: float, now: dt.datetime | None = None, *, keep_last: int = 0, table: str | None = None) -> CleanReport:
        """Removes loads that ended `days` ago or earlier (0 = all), leftovers of dead processes too; never what is in use."""
        moment = now or self._now()
        total = CleanReport()
        for name in [table] if table else self.tables():
            one = clean_table(self._store, name, moment - dt.timedelta(days=days), keep_last)
            total = replace(
                total, loads=total.loads + one.loads, bytes=total.bytes + one.bytes, in_use=total.in_use + one.in_use,
                tables=total.tables + one.tables, leftovers=total.leftovers + self.recover(name),
            )  # fmt: skip
        return total

    def recover(self, table: str) -> int:
        """Removes what killed runs left of this table. Returns how many folders and markers. Call it under the table's lock."""
        with _guard:
            _being_written.intersection_update({path for path in _being_written if path.exists()})
            in_use = frozenset(path.name for path in _being_written if path.parent.name == table)
        stores = {id(s): s for s in (self._store, local_side(self._store))}
        return sum(remove_leftovers(store, table, self._now(), in_use) for store in stores.values())

    def _published(self, table: str) -> list[int]:
        return sorted(seq for seq in map(parse_seq, self._store.names(table_folder(table))) if seq is not None)

    def _manifest(self, table: str, seq: int) -> Manifest | None:
        path = f"{load_folder(table, seq)}/{MANIFEST}"
        content = self._store.read_bytes(path)
        if content is None:
            return None
        manifest = unseal(content, self._store.location(path))
        if (manifest.table, manifest.seq) != (table, seq):
            raise CorruptRawFileError(
                f"Manifest {self._store.location(path)} is of table {manifest.table}, load {manifest.seq}.",
                remedy="remove that folder and load again",
            )
        return manifest

    @contextmanager
    def _lease(self, manifest: Manifest) -> Iterator[None]:
        """Marks a local load as being read, so that `lake clean --days 0` beside a run leaves it alone."""
        if not isinstance(self._store, LocalStore):
            yield
            return
        name = f"{scratch_name('lease', manifest.seq)}"
        path = self._store.path(f"{table_folder(manifest.table)}/{name}")
        try:
            path.touch()
        except OSError:
            # A read-only lake can be read; then retention cannot run there either.
            yield
            return
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _local_files(self, manifest: Manifest) -> Iterator[list[tuple[Path, RawFile]]]:
        folder = manifest_path(manifest)
        store = self._store
        if isinstance(store, LocalStore):
            yield [(store.path(f"{folder}/{file_name(file.name)}"), file) for file in manifest.files]
            return
        # Downloaded once, hashed and decoded from the copy: reading twice over the network could give two different answers.
        scratch = local_side(store).root
        with typed_errors(f"Cannot create {scratch}"):
            scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="read-", dir=scratch) as temporary:
            files: list[tuple[Path, RawFile]] = []
            for file in manifest.files:
                target = Path(temporary) / file_name(file.name)
                if file.name in store.names(folder):
                    store.download(f"{folder}/{file.name}", target)
                files.append((target, file))
            yield files
