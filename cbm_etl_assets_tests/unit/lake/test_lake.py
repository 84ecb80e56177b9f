from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbm_etl_assets.errors import ConfigurationError, CorruptRawFileError, LakeError
from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.lake.paths import scratch_name
from cbm_etl_assets.lake.publication import Publication
from cbm_etl_assets.metadata.manifest import Manifest, RawFile
from cbm_etl_assets.reliability.process import host_id

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
_counter = itertools.count()


def rows(count: int, start: int = 0) -> pa.Table:
    return pa.table({"id": list(range(start, start + count)), "nom": [f"é{i}" for i in range(start, start + count)]})


def write_part(folder: Path, number: int, table: pa.Table) -> RawFile:
    path = folder / f"part-{number:05d}.parquet"
    pq.write_table(table, path, compression="zstd", write_page_checksum=True, row_group_size=500)
    content = path.read_bytes()
    return RawFile(name=path.name, rows=table.num_rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def manifest_of(table: str, seq: int, files: tuple[RawFile, ...], ended: dt.datetime = NOW) -> Manifest:
    return Manifest(
        table=table, seq=seq, run_id="r", mode="full", t0=dt.datetime(2026, 11, 21, 13), started_at_utc=ended, ended_at_utc=ended,
        rows=sum(f.rows for f in files), bytes=sum(f.bytes for f in files), files=files, columns=[], query="SELECT 1",
        high_water=dt.datetime(2026, 11, 20, 10, 0, 0, 123456),
    )  # fmt: skip


def load(lake: Lake, table: str, seq: int, *, parts: int = 2, count: int = 100, ended: dt.datetime = NOW) -> Manifest:
    publication = lake.begin(table, seq)
    files = tuple(write_part(publication.work_dir, i, rows(count, i * count)) for i in range(parts))
    manifest = manifest_of(table, seq, files, ended)
    publication.publish(manifest)
    return manifest


@pytest.fixture(params=["local", "memory"])
def make_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Lake]]:
    import fsspec

    name = f"memory://lake-{os.getpid()}-{next(_counter)}"
    url = str(tmp_path / "lake") if request.param == "local" else name
    yield lambda: Lake(url, scratch_dir=tmp_path / "scratch", now=lambda: NOW)
    memory = fsspec.filesystem("memory")
    if memory.exists(name):
        memory.rm(name, recursive=True)


def test_published_load_reads_back_whole(make_lake: Callable[[], Lake]) -> None:
    manifest = load(make_lake(), "client", 7)
    found = make_lake().latest("client")
    assert found is not None
    assert found.model_copy(update={"checksum": ""}) == manifest
    table = pa.Table.from_batches(list(make_lake().read(found, batch_rows=30)))
    assert table == rows(200)
    assert max(b.num_rows for b in make_lake().read(found, batch_rows=30)) <= 30


def test_columns_can_be_chosen(make_lake: Callable[[], Lake]) -> None:
    manifest = load(make_lake(), "client", 1)
    assert next(make_lake().read(manifest, columns=["nom"])).schema.names == ["nom"]


def test_nothing_is_visible_before_publish_nor_after_discard(make_lake: Callable[[], Lake]) -> None:
    lake = make_lake()
    with lake.begin("client", 1) as publication:
        write_part(publication.work_dir, 0, rows(5))
        assert lake.latest("client") is None
        assert lake.manifests("client") == []
    assert not publication.work_dir.exists()
    assert lake.latest("client") is None


def test_latest_is_by_number_and_manifests_are_in_order(make_lake: Callable[[], Lake]) -> None:
    lake = make_lake()
    for seq in (3, 12, 5):
        load(lake, "client", seq, parts=1, count=3)
    assert [m.seq for m in lake.manifests("client")] == [3, 5, 12]
    latest = lake.latest("client")
    assert latest is not None
    assert latest.seq == 12
    assert lake.tables() == ["client"]


def test_empty_extraction_is_a_load_without_rows(make_lake: Callable[[], Lake]) -> None:
    manifest = load(make_lake(), "client", 1, parts=1, count=0)
    assert sum(b.num_rows for b in make_lake().read(manifest)) == 0
    none = load(make_lake(), "client", 2, parts=0)
    assert list(make_lake().read(none)) == []


def test_a_rebuilt_warehouse_may_publish_the_same_number_again(make_lake: Callable[[], Lake]) -> None:
    load(make_lake(), "client", 1, parts=3)
    load(make_lake(), "client", 1, parts=1, count=4)
    latest = make_lake().latest("client")
    assert latest is not None
    assert (latest.rows, sum(b.num_rows for b in make_lake().read(latest))) == (4, 4)
    assert make_lake().recover("client") == 0


def test_publish_refuses_a_file_that_differs_from_its_manifest(make_lake: Callable[[], Lake]) -> None:
    publication = make_lake().begin("client", 1)
    file = write_part(publication.work_dir, 0, rows(5))
    with pytest.raises(CorruptRawFileError, match=r"part-00000.parquet: \d+ bytes, the manifest says 1\."):
        publication.publish(manifest_of("client", 1, (file.model_copy(update={"bytes": 1}),)))
    (publication.work_dir / file.name).unlink()
    with pytest.raises(CorruptRawFileError, match="missing"):
        publication.publish(manifest_of("client", 1, (file,)))
    with pytest.raises(LakeError, match="is of other 1"):
        publication.publish(manifest_of("other", 1, ()))
    assert make_lake().latest("client") is None
    publication.discard()


@pytest.mark.parametrize("table", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".tmp", "a\0b", "a..b", "C:x", "x" * 129, "a\n"])
def test_a_table_name_never_leaves_the_lake(tmp_path: Path, table: str) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for verb in (lambda: lake.begin(table, 1), lambda: lake.latest(table), lambda: lake.manifests(table), lambda: lake.recover(table)):
        with pytest.raises(LakeError, match="cannot be a folder of the lake"):
            verb()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../x.parquet", "/x.parquet", "a/b.parquet", ".x.parquet", "x.txt", "a..b.parquet"])
def test_a_file_name_never_leaves_its_load(tmp_path: Path, name: str) -> None:
    lake = Lake(str(tmp_path / "lake"))
    evil = manifest_of("client", 1, (RawFile(name=name, rows=1, bytes=1, sha256="0" * 64),))
    with pytest.raises(LakeError, match="is not a plain name"):
        list(lake.read(evil))
    with lake.begin("client", 1) as publication, pytest.raises(LakeError, match="is not a plain name"):
        publication.publish(evil)


@pytest.mark.parametrize("seq", [-1, 10**12])
def test_a_number_outside_the_layout_is_refused(tmp_path: Path, seq: int) -> None:
    with pytest.raises(LakeError, match="is not between"):
        Lake(str(tmp_path)).begin("client", seq)


def test_retention_by_age_keeps_the_newest(make_lake: Callable[[], Lake]) -> None:
    lake = make_lake()
    for seq, age in ((1, 40), (2, 31), (3, 29), (4, 1)):
        load(lake, "client", seq, parts=1, count=3, ended=NOW - dt.timedelta(days=age))
    report = lake.clean(30, NOW)
    assert (report.loads, report.leftovers, report.tables) == (2, 0, ("client",))
    assert report.bytes > 0
    assert [m.seq for m in lake.manifests("client")] == [3, 4]
    assert lake.clean(0, NOW, keep_last=1).loads == 1
    assert [m.seq for m in lake.manifests("client")] == [4]
    assert lake.clean(0, NOW).loads == 1
    assert lake.latest("client") is None


def test_retention_leaves_a_load_that_is_being_read(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), now=lambda: NOW)
    manifest = load(lake, "client", 1)
    reading = lake.read(manifest, batch_rows=10)
    first = next(reading).num_rows
    report = Lake(str(tmp_path / "lake"), now=lambda: NOW).clean(0, NOW)
    assert (report.loads, report.in_use) == (0, 1)
    assert first + sum(b.num_rows for b in reading) == 200
    assert lake.clean(0, NOW).loads == 1


def test_retention_ends_the_life_of_a_damaged_manifest(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), now=lambda: NOW)
    load(lake, "client", 1)
    path = tmp_path / "lake/raw/client/000000000001/manifest.json"
    path.write_bytes(b"{}")
    with pytest.raises(CorruptRawFileError, match=r"manifest\.json is corrupt"):
        lake.latest("client")
    assert lake.clean(0, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)).loads == 1
    assert lake.latest("client") is None


def test_recover_removes_the_dead_and_spares_the_living(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), now=lambda: dt.datetime.now(dt.UTC))
    living = lake.begin("client", 9)
    folder = living.work_dir.parent
    dead = [f".tmp-000000000001-{host_id()}-{2**22 + 1}", f".old-000000000002-{host_id()}-{2**22 + 1}"]
    for name in dead:
        (folder / name).mkdir()
    (folder / f".lease-000000000001-{host_id()}-{2**22 + 1}").touch()
    young, aged = folder / ".tmp-000000000003-elsewhere-1", folder / ".tmp-000000000004-elsewhere-1"
    for path in (young, aged):
        path.mkdir()
    os.utime(aged, (0, 0))
    other_live_process = folder / f".tmp-000000000005-{host_id()}-1"
    other_live_process.mkdir()
    assert lake.recover("client") == 4
    assert sorted(p.name for p in folder.iterdir()) == sorted([living.work_dir.name, young.name, other_live_process.name])
    living.discard()


def test_recover_removes_what_an_attempt_of_this_process_left(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    folder = tmp_path / "lake/raw/client"
    (folder / scratch_name("tmp", 1)).mkdir(parents=True)
    assert lake.recover("client") == 1


def test_a_cut_upload_is_never_read_and_goes_when_old(tmp_path: Path) -> None:
    import fsspec

    url = f"memory://cut-{os.getpid()}"
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"{url}/raw/client/000000000001/part-00000.parquet", b"half")
    try:
        lake = Lake(url, scratch_dir=tmp_path, now=lambda: dt.datetime.now(dt.UTC))
        assert lake.latest("client") is None
        assert lake.clean(0).loads == 0
        later = Lake(url, scratch_dir=tmp_path, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
        assert later.recover("client") == 1
    finally:
        if memory.exists(url):
            memory.rm(url, recursive=True)


def test_unknown_protocol_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="nosuchthing://x"):
        Lake("nosuchthing://x/y").latest("client")


def test_a_lake_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(LakeError, match="Cannot create") as caught:
        Lake(str(tmp_path / "lake")).begin("client", 1)
    assert caught.value.remedy


def test_publication_is_closed_after_publishing(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    publication: Publication = lake.begin("client", 1)
    publication.publish(manifest_of("client", 1, ()))
    with pytest.raises(LakeError, match="is closed"):
        publication.publish(manifest_of("client", 1, ()))
