"""Torn, flipped and missing raw files, a full disk, a killed writer."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbm_etl_assets.errors import CorruptRawFileError, LakeError
from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.lake.reader import read_file
from cbm_etl_assets.metadata.manifest import Manifest, RawFile

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def publish(lake: Lake, seq: int = 1, rows: int = 2000) -> tuple[Manifest, Path]:
    publication = lake.begin("client", seq)
    path = publication.work_dir / "part-00000.parquet"
    generator = random.Random(1)
    table = pa.table({"id": list(range(rows)), "v": [generator.random() for _ in range(rows)], "t": [f"é{i % 7}" for i in range(rows)]})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True, row_group_size=500)
    content = path.read_bytes()
    file = RawFile(name=path.name, rows=rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest = Manifest(
        table="client", seq=seq, run_id="r", mode="full", t0=dt.datetime(2026, 11, 21), started_at_utc=NOW, ended_at_utc=NOW, rows=rows,
        bytes=len(content), files=(file,), columns=[], query="SELECT", high_water=dt.datetime(2026, 11, 20),
    )  # fmt: skip
    return manifest, Path(publication.publish(manifest))


def flips(size: int, count: int) -> list[tuple[int, int]]:
    """Both ends, and places spread over the rest; a different bit each time."""
    places = sorted({0, 4, size - 1, size - 5, size - 9, *(int(i * size / (count - 5)) for i in range(count - 5))})
    return [(place, 1 << (i % 8)) for i, place in enumerate(places)]


def test_a_flipped_bit_is_caught_at_every_place_of_a_raw_file(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    manifest, folder = publish(lake)
    path = folder / "part-00000.parquet"
    whole = path.read_bytes()
    tried = flips(len(whole), 65)
    assert len(tried) >= 60
    for place, bit in tried:
        broken = bytearray(whole)
        broken[place] ^= bit
        path.write_bytes(broken)
        with pytest.raises(CorruptRawFileError, match=r"part-00000\.parquet has SHA-256"):
            next(lake.read(manifest))
    path.write_bytes(whole)
    assert sum(b.num_rows for b in lake.read(manifest)) == 2000


def test_page_checksums_catch_data_that_changes_after_the_digest(tmp_path: Path) -> None:
    """The second net, alone: a flip inside a data page, read without the digest."""
    manifest, folder = publish(Lake(str(tmp_path / "lake")))
    path = folder / "part-00000.parquet"
    broken = bytearray(path.read_bytes())
    with pq.ParquetFile(path) as parquet:
        chunk = parquet.metadata.row_group(0).column(1)
    broken[chunk.dictionary_page_offset + chunk.total_compressed_size // 2] ^= 1  # the middle: payload, not a page header
    path.write_bytes(broken)
    with pytest.raises(CorruptRawFileError, match=r"part-00000\.parquet cannot be read"):
        list(read_file(path, manifest.files[0]))


def test_a_flipped_bit_is_caught_at_every_place_of_a_manifest(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    _, folder = publish(lake)
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << (place % 7)
        path.write_bytes(broken)
        with pytest.raises(CorruptRawFileError, match=r"manifest\.json is corrupt"):
            lake.latest("client")
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptRawFileError, match="it is cut or foreign"):
            lake.latest("client")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    lake = Lake(str(tmp_path / "lake"))
    manifest, folder = publish(lake)
    path = folder / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CorruptRawFileError, match=r"has \d+ bytes, its manifest says"):
        next(lake.read(manifest))
    path.unlink()
    with pytest.raises(CorruptRawFileError, match="is missing"):
        next(lake.read(manifest))


def test_a_wrong_row_count_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    manifest, _ = publish(lake)
    lying = manifest.model_copy(update={"files": (manifest.files[0].model_copy(update={"rows": 1999}),)})
    with pytest.raises(CorruptRawFileError, match="has 2000 rows, its manifest says 1999"):
        next(lake.read(lying))


def test_a_manifest_in_the_wrong_folder_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    _, folder = publish(lake)
    folder.rename(folder.with_name("000000000002"))
    with pytest.raises(CorruptRawFileError, match="is of table client, load 1"):
        lake.latest("client")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_an_explained_error_and_leaves_nothing(small_disk: Path) -> None:
    lake = Lake(str(small_disk / "lake"))
    manifest, _ = publish(lake)
    publication = lake.begin("client", 2)
    for number in range(10_000):
        try:
            (publication.work_dir / f"fill-{number}").write_bytes(b"x" * 4096)
        except OSError:
            break
    with pytest.raises(LakeError, match="No space left") as caught:
        publication.publish(manifest.model_copy(update={"seq": 2, "files": ()}))
    assert "free space" in caught.value.remedy
    publication.discard()
    latest = lake.latest("client")
    assert latest is not None
    assert latest.seq == 1
    assert sum(b.num_rows for b in lake.read(latest)) == 2000


_WRITER = """
import sys, time
from cbm_etl_assets.lake.lake import Lake
publication = Lake(sys.argv[1]).begin("client", 5)
(publication.work_dir / "part-00000.parquet").write_bytes(b"half")
print(publication.work_dir, flush=True)
time.sleep(60)
"""


def test_kill_9_of_a_writer_leaves_nothing_readable_and_is_swept(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, lake.url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        work_dir = Path(writer.stdout.readline().strip())
        assert work_dir.is_dir()
        assert lake.recover("client") == 0, "it is alive"
        assert lake.clean(0).leftovers == 0
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        assert lake.latest("client") is None
        assert lake.recover("client") == 1
        assert list(work_dir.parent.iterdir()) == []
    finally:
        writer.kill()
        writer.communicate()
