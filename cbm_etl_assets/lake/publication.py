"""One extraction on its way into the lake: a local work folder, then whole and visible at once, or gone.

Owns the order fsync -> rename (local) and upload -> manifest last (remote). Knows nothing of how the files came to be.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cbm_etl_assets.errors import CorruptRawFileError, LakeError
from cbm_etl_assets.lake.paths import MANIFEST, file_name, load_folder, scratch_name, table_folder
from cbm_etl_assets.lake.seal import seal
from cbm_etl_assets.lake.store import LocalStore, RemoteStore, local_side, typed_errors
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.reliability.files import fsync_dir, fsync_file, write_durably


class Publication:
    """`work_dir` exists and is empty. End it with publish() or discard(); as a context manager it discards what was not published."""

    def __init__(self, store: LocalStore | RemoteStore, table: str, seq: int) -> None:
        self.table, self.seq = table, seq
        self._store = store
        self._final = load_folder(table, seq)
        self._done = False
        self.work_dir = self._make_work_dir()

    def _make_work_dir(self) -> Path:
        work = local_side(self._store).path(f"{table_folder(self.table)}/{scratch_name('tmp', self.seq)}")
        with typed_errors(f"Cannot create {work}"):
            if work.exists():  # an earlier attempt of this same process
                shutil.rmtree(work)
            work.mkdir(parents=True)
        return work

    def __enter__(self) -> Publication:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._done:
            self.discard()

    def publish(self, manifest: Manifest) -> str:
        """Returns where the load lies. Raises: LakeError (disk full, no access), CorruptRawFileError when a file of the
        manifest is missing or has another size."""
        if self._done or (manifest.table, manifest.seq) != (self.table, self.seq):
            raise LakeError(f"Publication of {self.table} {self.seq} is closed, or the manifest is of {manifest.table} {manifest.seq}.")
        self._check_files(manifest)
        if isinstance(self._store, RemoteStore):
            self._upload(self._store, manifest)
        else:
            with typed_errors(f"Cannot publish {self._store.location(self._final)}"):
                self._rename(self._store, manifest)
        self._done = True
        return self._store.location(self._final)

    def discard(self) -> None:
        self._done = True
        if self.work_dir.exists():
            with typed_errors(f"Cannot remove {self.work_dir}"):
                shutil.rmtree(self.work_dir)

    def _check_files(self, manifest: Manifest) -> None:
        for file in manifest.files:
            path = self.work_dir / file_name(file.name)
            size = path.stat().st_size if path.exists() else None
            if size != file.bytes:
                raise CorruptRawFileError(
                    f"Raw file {path}: {'missing' if size is None else f'{size} bytes'}, the manifest says {file.bytes}.",
                    remedy="run the load again; if it stays, look at that disk",
                )

    def _rename(self, store: LocalStore, manifest: Manifest) -> None:
        for file in manifest.files:
            fsync_file(self.work_dir / file.name)
        write_durably(self.work_dir / MANIFEST, seal(manifest))
        fsync_dir(self.work_dir)
        final = store.path(self._final)
        if final.exists():
            # A rebuilt warehouse counts from 1 again: the newer extraction replaces the one of its former life.
            aside = final.with_name(scratch_name("old", self.seq))
            if aside.exists():
                shutil.rmtree(aside)
            os.rename(final, aside)  # noqa: PTH104 (Path.rename answers a path nobody needs)
            os.rename(self.work_dir, final)  # noqa: PTH104
            shutil.rmtree(aside)
        else:
            os.rename(self.work_dir, final)  # noqa: PTH104
        fsync_dir(final.parent)

    def _upload(self, store: RemoteStore, manifest: Manifest) -> None:
        if store.names(self._final):
            # Its manifest first: a reader sees the old load, none, then the new one, never a mixture.
            store.remove(f"{self._final}/{MANIFEST}")
            store.remove(self._final)
        for file in manifest.files:
            store.upload(self.work_dir / file.name, f"{self._final}/{file.name}")
        with typed_errors(f"Cannot write {self.work_dir / MANIFEST}"):
            write_durably(self.work_dir / MANIFEST, seal(manifest))
        store.upload(self.work_dir / MANIFEST, f"{self._final}/{MANIFEST}")
        self.discard()
