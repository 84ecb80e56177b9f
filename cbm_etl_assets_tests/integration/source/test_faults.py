"""What goes wrong at a source becomes a typed error within its limit, leaves no file, and the next read succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cbm_etl_assets.errors import CbmError, RecordLockError, SourceError, SqlWidthError, TransientSourceError
from cbm_etl_assets.reliability.process import pid_alive
from cbm_etl_assets.source.connections import connection_slot
from cbm_etl_assets.source.odbc import OdbcSource
from cbm_etl_assets.source.pool import Watch, Worker, WorkerPool
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, ReadRange
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.source.conftest import MakeSource, spec_of
from cbm_etl_assets_tests.integration.twin import tables

pytestmark = pytest.mark.integration

SPEC = spec_of(tables.CLIENT, primary_key=["cod_cli"])


def extract(source: OdbcSource, folder: Path) -> ExtractResult:
    folder.mkdir(exist_ok=True)
    return source.extract(ExtractRequest(SPEC, ReadRange(), folder))


def fails(source: OdbcSource, folder: Path, kind: type[CbmError]) -> CbmError:
    with pytest.raises(kind) as caught:
        extract(source, folder)
    assert type(caught.value) is kind
    assert not list(folder.iterdir())
    return caught.value


@pytest.mark.parametrize("kind", ["cut", "fin"])
def test_a_lost_link_is_transient_and_the_next_read_succeeds(
    make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, kind: str
) -> None:
    tables.load(clean_twin, 300)
    clean_twin.set_fault(kind, "Client", after_rows=150)
    source = make_source(array_size=50)
    fails(source, tmp_path / "first", TransientSourceError)
    assert extract(source, tmp_path / "second").rows == 300


def test_a_stalled_link_ends_by_itself(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 300)
    clean_twin.set_fault("stall", "Client", after_rows=100)
    source = make_source(stall_timeout_seconds=2)
    started = time.monotonic()
    error = fails(source, tmp_path / "first", TransientSourceError)
    assert "nothing arrived for 2 s" in error.message
    assert time.monotonic() - started < 60
    assert extract(make_source(), tmp_path / "second").rows == 300


def test_an_overwide_value_names_table_column_and_remedy(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 300)
    with clean_twin.pg() as conn:
        conn.execute('UPDATE pub."Client" SET "Nom" = repeat(%s, 25) WHERE cod_cli = 250', ("x",))
    error = fails(make_source(), tmp_path / "out", SqlWidthError)
    assert isinstance(error, SqlWidthError)
    assert (error.table.lower(), error.column.lower()) == ("pub.client", "nom")
    assert "dbtool" in error.remedy


def test_a_record_lock_is_transient(make_source: MakeSource, clean_twin: TwinHandle) -> None:
    tables.load(clean_twin, 20)
    clean_twin.set_fault("lock", "Client")
    with pytest.raises(RecordLockError, match="record lock"):  # without the hint that every extraction carries
        make_source().query('SELECT "cod_cli" FROM "PUB"."Client"')


def test_extractions_pass_beside_a_record_lock(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 20)
    clean_twin.set_fault("lock", "Client")
    assert extract(make_source(), tmp_path / "out").rows == 20


def test_a_refused_login_is_transient(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 5)
    clean_twin.set_fault("refuse", times=1)
    source = make_source()
    fails(source, tmp_path / "first", TransientSourceError)
    assert extract(source, tmp_path / "second").rows == 5


def test_nobody_listening_is_transient(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    gone = make_source(connection_string=clean_twin.odbc.replace(str(clean_twin.port), "1"))
    fails(gone, tmp_path / "out", TransientSourceError)


def test_the_cap_on_connections_holds_over_parallel_parts(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 200)
    clean_twin.set_fault("cap", value=2)
    spec = spec_of(tables.CLIENT, primary_key=["cod_cli"], split={"column": "cod_cli", "parts": 4})
    (tmp_path / "out").mkdir()
    result = make_source(max_connections=2).extract(ExtractRequest(spec, ReadRange(), tmp_path / "out"))
    assert (result.rows, len(result.files)) == (200, 4)


def test_waiting_for_a_connection_is_bounded(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source(max_connections=1, connection_wait_seconds=0.2)
    with connection_slot(tmp_path / "home" / "run" / "source-slots", 1, 0), pytest.raises(TransientSourceError, match="in use"):
        source.clock()


def test_a_reader_that_crashes_is_a_transient_error_and_is_replaced(
    make_source: MakeSource, clean_twin: TwinHandle, readers: WorkerPool, tmp_path: Path
) -> None:
    tables.load(clean_twin, 3_000)
    source = make_source(batch_cells=6_000)
    readers.close()
    source.warm()
    [worker] = readers._idle
    clean_twin.set_fault(
        "stall", "Client", after_rows=2_500
    )  # the driver fetches 1,000 at a time; so that the reader is still at work when it is hit
    (tmp_path / "first").mkdir()
    request = ExtractRequest(SPEC, ReadRange(), tmp_path / "first")
    with pytest.raises(TransientSourceError, match="signal 11"):
        source.extract(request, lambda rows, size: os.kill(worker.pid, signal.SIGSEGV))
    assert not list((tmp_path / "first").iterdir())
    clean_twin.clear_faults()
    assert extract(source, tmp_path / "second").rows == 3_000


def test_one_failed_part_ends_the_others(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 400)
    with clean_twin.pg() as conn:
        conn.execute('UPDATE pub."Client" SET "Nom" = repeat(%s, 25) WHERE cod_cli = 400', ("x",))
    spec = spec_of(tables.CLIENT, primary_key=["cod_cli"], split={"column": "cod_cli", "parts": 2})
    clean_twin.set_fault("stall", "Client", after_rows=150)  # strikes one part; the over-wide value is in the last
    (tmp_path / "out").mkdir()
    started = time.monotonic()
    with pytest.raises((SqlWidthError, TransientSourceError)):
        make_source(stall_timeout_seconds=40, array_size=200).extract(ExtractRequest(spec, ReadRange(), tmp_path / "out"))
    assert time.monotonic() - started < 30
    assert not list((tmp_path / "out").iterdir())


def test_an_error_of_one_request_does_not_end_the_reader() -> None:
    worker = Worker()
    try:
        with pytest.raises(SourceError, match="KeyError"):
            worker.call({"op": "nonsense"}, Watch(60))
        assert worker.is_alive
    finally:
        worker.close()
    assert not worker.is_alive


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_no_reader(how: signal.Signals) -> None:
    code = "import time; from cbm_etl_assets.source.pool import Worker; w = Worker(); print(w.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        reader = int(parent.stdout.readline())
        assert pid_alive(reader)
        parent.send_signal(how)
        parent.wait(10)
    deadline = time.monotonic() + 20
    while pid_alive(reader) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not pid_alive(reader)


def test_an_interrupted_caller_leaves_no_reader_running(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 100)
    seen: list[int] = []

    def interrupt(rows: int, size: int) -> None:
        seen.append(rows)
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    pool = WorkerPool()
    source = make_source()
    source._pool = pool
    with pytest.raises(KeyboardInterrupt):
        source.extract(ExtractRequest(SPEC, ReadRange(), tmp_path / "out"), interrupt)
    assert seen
    assert pool._idle == []
