"""Where the lake's bytes lie: a local folder or any fsspec URL, behind six verbs.

Owns file-system calls and their typed errors. Knows nothing of manifests or retention.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from cbm_etl_assets.errors import ConfigurationError, LakeError
from cbm_etl_assets.reliability.files import describe_os_error

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Store(Protocol):
    """Paths are relative to the lake and use '/'."""

    url: str

    def names(self, folder: str) -> list[str]:
        """Sorted; empty when the folder is not there."""
        ...

    def read_bytes(self, path: str) -> bytes | None:
        """None when it is not there."""
        ...

    def remove(self, path: str) -> None: ...

    def modified(self, path: str) -> float | None:
        """Seconds since the epoch; None when unknown."""
        ...

    def location(self, path: str) -> str: ...


@contextmanager
def typed_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what, remedy = describe_os_error(error)
        raise LakeError(f"{doing}: {what}", remedy=remedy) from None


class LocalStore:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = str(self.root)

    def path(self, relative: str) -> Path:
        return self.root / relative

    def names(self, folder: str) -> list[str]:
        with typed_errors(f"Cannot list {self.location(folder)}"):
            try:
                return sorted(entry.name for entry in self.path(folder).iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []

    def read_bytes(self, path: str) -> bytes | None:
        with typed_errors(f"Cannot read {self.location(path)}"):
            try:
                return self.path(path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def remove(self, path: str) -> None:
        target = self.path(path)
        with typed_errors(f"Cannot remove {target}"):
            try:
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
            except FileNotFoundError:  # somebody else removed it first: that is what was wanted
                return

    def modified(self, path: str) -> float | None:
        try:
            return self.path(path).stat().st_mtime
        except FileNotFoundError:
            return None

    def location(self, path: str) -> str:
        return str(self.path(path))


class RemoteStore:
    def __init__(self, url: str, options: Mapping[str, str | SecretStr], scratch: LocalStore) -> None:
        self.url = url.rstrip("/")
        self.scratch = scratch
        self._options = options
        self._opened: tuple[AbstractFileSystem, str] | None = None

    def open(self) -> tuple[AbstractFileSystem, str]:
        """(file system, root path). Secrets are opened here, at connect time."""
        if self._opened is None:
            from fsspec.core import url_to_fs

            options = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in self._options.items()}
            try:
                filesystem, root = url_to_fs(self.url, **options)
            except (ImportError, ValueError) as error:
                raise ConfigurationError(
                    f"CBM_LAKE__URL '{self.url}' cannot be opened: {error}",
                    remedy="install the fsspec driver it names (s3fs, adlfs, gcsfs ...)",
                ) from None
            self._opened = (filesystem, str(root).rstrip("/"))
        return self._opened

    def names(self, folder: str) -> list[str]:
        filesystem, root = self.open()
        with typed_errors(f"Cannot list {self.location(folder)}"):
            filesystem.invalidate_cache()
            try:
                entries: list[Any] = filesystem.ls(f"{root}/{folder}", detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(str(entry).rstrip("/").rpartition("/")[2] for entry in entries)

    def read_bytes(self, path: str) -> bytes | None:
        filesystem, root = self.open()
        with typed_errors(f"Cannot read {self.location(path)}"):
            try:
                return bytes(filesystem.cat_file(f"{root}/{path}"))
            except FileNotFoundError:
                return None

    def download(self, path: str, target: Path) -> None:
        filesystem, root = self.open()
        with typed_errors(f"Cannot download {self.location(path)}"):
            filesystem.get_file(f"{root}/{path}", str(target))

    def upload(self, source: Path, path: str) -> None:
        filesystem, root = self.open()
        with typed_errors(f"Cannot upload {self.location(path)}"):
            filesystem.makedirs(f"{root}/{path}".rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(source), f"{root}/{path}")

    def remove(self, path: str) -> None:
        filesystem, root = self.open()
        with typed_errors(f"Cannot remove {self.location(path)}"):
            try:
                filesystem.rm(f"{root}/{path}", recursive=True)
            except FileNotFoundError:  # somebody else removed it first: that is what was wanted
                return

    def modified(self, path: str) -> float | None:
        filesystem, root = self.open()
        with typed_errors(f"Cannot look at {self.location(path)}"):
            try:
                return float(filesystem.modified(f"{root}/{path}").timestamp())
            except (FileNotFoundError, NotImplementedError):  # object stores have no folders, hence no time of one
                return None

    def location(self, path: str) -> str:
        return f"{self.url}/{path}"


def open_store(url: str, options: Mapping[str, str | SecretStr], scratch_dir: Path) -> LocalStore | RemoteStore:
    """A plain path, `file://...` or any fsspec URL, whose uploads and downloads pass through `scratch_dir`."""
    if url.startswith("file://"):
        return LocalStore(Path(url.removeprefix("file://")))
    return RemoteStore(url, options, LocalStore(scratch_dir)) if "://" in url else LocalStore(Path(url))


def local_side(store: LocalStore | RemoteStore) -> LocalStore:
    """Where work folders lie: inside a local lake (a rename must not cross file systems), beside a remote one."""
    return store if isinstance(store, LocalStore) else store.scratch
