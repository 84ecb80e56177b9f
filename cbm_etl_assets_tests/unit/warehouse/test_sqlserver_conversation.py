"""What the SQL Server dialect does when the server, the link or another load gets in the way: recorded outcomes, replayed."""

from __future__ import annotations

import datetime as dt
import logging

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import (
    AccountingError,
    CbmError,
    ConfigurationError,
    ConversionError,
    CorruptRawFileError,
    DuplicateKeyError,
    LostLockError,
    TransientWarehouseError,
    WarehouseError,
)
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.warehouse.port import Disposable, Outcome, StagingTable
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql.fake_server import DEADLOCK, LINK_LOST, FakeSender, FakeServer, Fault, failure
from cbm_etl_assets_tests.tsql.matrix import batch_of, make_warehouse, request, stored

SPEC = make_spec()
STAGING = StagingTable("client", "client__7", 7)
BATCH, STATE = "SELECT outcome FROM", "outcome_seq, outcome_run_id, outcome\nFROM"
DONE = {"read": 3, "inserted": 2, "unchanged": 1}


def ready(**changes: object) -> FakeServer:
    """A table loaded before, state as that load left it."""
    return FakeServer(tables=stored(SPEC), state=["client", 7, 5, 5, None, 1, "[]", 5, "run-5", ""], outcome=DONE, **changes)  # type: ignore[arg-type]


def test_a_merge_is_one_batch_and_its_outcome_comes_from_the_server() -> None:
    server = ready()
    assert make_warehouse(server).apply(request(SPEC)) == Outcome(**DONE)
    assert len(server.texts("BEGIN TRANSACTION;\n    EXEC @locked")) == 1
    assert server.opened == server.closed
    assert not server.texts("ALTER TABLE")


@pytest.mark.parametrize("when", ["at once", "rest"])
def test_a_deadlock_is_transient_and_the_next_attempt_opens_a_new_connection(when: str) -> None:
    server = ready(faults=[Fault(BATCH, DEADLOCK, when)])
    warehouse = make_warehouse(server)
    with pytest.raises(TransientWarehouseError, match="1205"):
        warehouse.apply(request(SPEC))
    before = server.opened
    assert server.opened == server.closed
    server.state[7:9] = [5, "run-5"]  # the server has rolled back
    assert warehouse.apply(request(SPEC)) == Outcome(**DONE)
    assert server.opened == before + 1


def test_a_commit_without_an_answer_is_found_in_the_state_row() -> None:
    """The batch was applied, the link died before COMMIT was answered: the retry reports the outcome and merges nothing twice."""
    server = ready(faults=[Fault(BATCH, LINK_LOST, "after")])
    warehouse = make_warehouse(server)
    with pytest.raises(TransientWarehouseError):
        warehouse.apply(request(SPEC))
    assert warehouse.apply(request(SPEC)) == Outcome(**DONE)
    assert len(server.texts(BATCH)) == 1


def test_a_commit_that_was_not_made_is_made_again() -> None:
    server = ready(faults=[Fault(BATCH, LINK_LOST)])
    warehouse = make_warehouse(server)
    with pytest.raises(TransientWarehouseError):
        warehouse.apply(request(SPEC))
    assert warehouse.apply(request(SPEC)) == Outcome(**DONE)
    assert len(server.texts(BATCH)) == 2


@pytest.mark.parametrize(("number", "kind"), [
    (51001, TransientWarehouseError), (51002, LostLockError), (51003, AccountingError), (51004, TransientWarehouseError),
])  # fmt: skip
def test_what_our_own_batch_throws_has_a_type(number: int, kind: type[CbmError]) -> None:
    server = ready(faults=[Fault(BATCH, failure("42000", "said by us", number), "rest")])
    with pytest.raises(kind, match=r"Table 'client': .*said by us"):
        make_warehouse(server).apply(request(SPEC))


def test_a_lost_lock_writes_nothing() -> None:
    server = ready()
    with pytest.raises(LostLockError, match="token 1, ours 9"):
        make_warehouse(server).apply(request(SPEC, fencing_token=9))
    assert not server.texts("BEGIN TRANSACTION")


def test_ddl_has_a_short_transaction_of_its_own_behind_the_fence() -> None:
    """Readers cannot pass a schema change: it must not last as long as the merge. A retyped column is marked with it."""
    server = ready()
    server.tables["target"].pop("gencod_v")
    server.tables["target"]["nom"] = "int"
    server.state[6] = '["dat_mod","nom"]'
    make_warehouse(server).apply(request(SPEC))
    order = [text for text, _ in server.sent]
    add = next(i for i, text in enumerate(order) if "ADD [gencod_v] nvarchar(20) NULL" in text)
    widen = next(i for i, text in enumerate(order) if "ALTER COLUMN [nom] nvarchar(40) NULL" in text)
    marks = next(i for i, text in enumerate(order) if "SET hash_columns = ?" in text)
    batch = next(i for i, text in enumerate(order) if BATCH in text)
    assert order.index("BEGIN TRANSACTION;\n") < min(add, widen) < max(add, widen) < marks < order.index("COMMIT TRANSACTION;\n") < batch
    assert server.sent[marks][1] == ('["dat_mod", "~nom"]', "client")


def test_ddl_that_fails_is_rolled_back_and_says_why() -> None:
    server = ready(faults=[Fault("ADD [gencod_v]", failure("42000", "The transaction log for database 'x' is full", 9002))])
    server.tables["target"].pop("gencod_v")
    with pytest.raises(WarehouseError, match="transaction log is full") as caught:
        make_warehouse(server).apply(request(SPEC))
    assert "back the log up" in caught.value.remedy
    assert server.texts("ROLLBACK TRANSACTION;\n")[-1] == server.sent[-1][0]


def test_a_type_that_does_not_fit_stops_in_words_before_anything_is_sent() -> None:
    server = ready()
    server.tables["target"]["nom"] = "date"
    with pytest.raises(WarehouseError, match=r"column 'nom' is date in ODS and nvarchar\(40\) in the spec"):
        make_warehouse(server).apply(request(SPEC))
    assert not server.texts("BEGIN TRANSACTION")


def test_duplicates_above_the_limit_stop_the_table() -> None:
    server = ready(duplicates=(50, 20))
    with pytest.raises(DuplicateKeyError, match="20 keys stand on more than one row, 50 rows too many"):
        make_warehouse(server).apply(request(SPEC))
    assert not server.texts(BATCH)


# --- staging -----------------------------------------------------------------------------------------------------------


def load(server: FakeServer, batches: list[pa.RecordBatch], spec: TableSpec = SPEC, **sender: object) -> tuple[int, FakeSender]:
    bulk = FakeSender(server, **sender)  # type: ignore[arg-type]
    return make_warehouse(server, sender=bulk).load_staging(spec, STAGING, iter(batches)), bulk


def named(text: str, rows: int = 2) -> pa.RecordBatch:
    batch = batch_of(SPEC, rows)
    column = batch.schema.get_field_index("nom")
    return batch.set_column(column, "nom", pa.array(["a"] * (rows - 1) + [text]))


def test_staging_is_made_anew_streamed_in_one_go_and_counted() -> None:
    server = FakeServer()
    loaded, bulk = load(server, [named("b"), named("c"), named("d", 3)])
    assert (loaded, bulk.streams) == (7, [7])
    order = [text.split("\n")[0] for text, _ in server.sent if "client__7" in text]
    assert [text.split(" ")[0] for text in order] == ["DROP", "CREATE", "SELECT", "CREATE"]


@pytest.mark.parametrize(("text", "becomes"), [
    ("x" * 41, "nvarchar(80)"), ("x" * 100, "nvarchar(100)"), ("😀" * 21, "nvarchar(80)"), ("x" * 4001, "nvarchar(max)"),
])  # fmt: skip
def test_a_text_longer_than_declared_widens_its_column_and_is_kept(text: str, becomes: str, caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    with caplog.at_level(logging.WARNING):
        loaded, bulk = load(server, [named("b"), named(text), named("é" * 40), named("d")])
    assert (loaded, bulk.streams) == (8, [2, 6])
    assert len(server.texts(f"ALTER COLUMN [nom] {becomes} NULL")) == 1
    assert "column 'nom' is nvarchar(40)" in caplog.text


def test_arrow_texts_of_another_kind_are_measured_and_sent_as_plain_ones() -> None:
    batch = named("x" * 50)
    place = batch.schema.get_field_index("nom")
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        server = FakeServer()
        loaded, bulk = load(server, [batch.set_column(place, "nom", batch.column(place).cast(kind))])
        assert loaded == 2
        assert bulk.schema is not None
        assert bulk.schema.field("nom").type == pa.string()


def test_two_columns_too_narrow_at_once() -> None:
    batch = named("x" * 50)
    wide = batch.set_column(batch.schema.get_field_index("gencod_v"), "gencod_v", pa.array(["y", "y" * 30]))
    server = FakeServer()
    loaded, bulk = load(server, [wide])
    assert (loaded, bulk.streams) == (2, [2])
    assert len(server.texts("ALTER COLUMN")) == 2


def test_what_was_widened_in_staging_is_widened_in_ods() -> None:
    server = ready()
    server.tables["staging"] = {"nom": "nvarchar(80)", "cod_cli": "bigint"}
    make_warehouse(server).apply(request(SPEC))
    assert server.texts("ALTER TABLE [ods].[client] ALTER COLUMN [nom] nvarchar(80) NULL")


def test_a_link_lost_in_the_middle_of_the_bulk_copy_is_transient_and_the_next_attempt_starts_empty() -> None:
    server = FakeServer()
    with pytest.raises(TransientWarehouseError, match=r"bulk copy ended early: .*connection reset by peer"):
        load(server, [named("b"), named("c")], fail_after=2)
    server.staged = 0
    assert load(server, [named("b"), named("c")])[0] == 4
    assert len(server.texts("DROP TABLE IF EXISTS [stg].[client__7]")) == 2


def test_a_bulk_copy_that_fails_is_asked_about_over_the_other_driver() -> None:
    """mssql-python's errors carry no number; the reason is what the server says when it is asked again."""
    server = FakeServer(faults=[Fault("COUNT_BIG(*) AS n FROM [stg]", failure("42000", "The data files are full", 1105))])
    with pytest.raises(WarehouseError, match="data files are full"):
        load(server, [named("b")], fail_after=1, error=RuntimeError("server error"))


@pytest.mark.parametrize(("text", "kind", "words"), [
    ("SQL Server error 1105, class 17: Could not allocate space for object 'stg.client__7'", WarehouseError, "data files are full"),
    ("SqlServerError { number: 9002, message: The transaction log is full }", WarehouseError, "transaction log is full"),
    ("Error: 1205, deadlocked", TransientWarehouseError, "1205"), ("Bulk copy operation timed out", TransientWarehouseError, "timed out"),
    ("error 20 while packing", WarehouseError, "ended early: error 20 while packing"),
])  # fmt: skip
def test_a_number_in_the_words_of_the_bulk_copy_is_understood(text: str, kind: type[CbmError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        load(FakeServer(), [named("b")], fail_after=1, error=RuntimeError(text))
    assert type(caught.value) is kind


def test_a_sender_that_lets_go_of_the_rows_first_is_the_one_that_failed() -> None:
    """Closing the reader ends our generator: that is no error of the rows."""

    def sender(_target: object, _names: object, reader: pa.RecordBatchReader) -> None:
        reader.read_next_batch()
        reader.close()
        raise RuntimeError("connection reset by peer")

    with pytest.raises(TransientWarehouseError, match="connection reset by peer"):
        make_warehouse(FakeServer(), sender=sender).load_staging(SPEC, STAGING, [named("b"), named("c")])


def test_a_panic_of_the_bulk_library_is_an_error_of_ours_an_interrupt_is_not() -> None:
    panic = type("PanicException", (BaseException,), {})("index out of bounds")
    with pytest.raises(WarehouseError, match="index out of bounds"):
        load(FakeServer(), [named("b")], fail_after=1, error=panic)
    with pytest.raises(KeyboardInterrupt):
        load(FakeServer(), [named("b")], fail_after=1, error=KeyboardInterrupt())


def test_rows_that_did_not_arrive_are_noticed() -> None:
    server = FakeServer()
    sender = FakeSender(server)
    server.staged = -1
    with pytest.raises(TransientWarehouseError, match=r"2 rows sent, 1 in client__7"):
        make_warehouse(server, sender=sender).load_staging(SPEC, STAGING, [named("b")])


def test_an_error_of_the_source_of_the_rows_stays_what_it_was() -> None:
    def rows() -> object:
        yield named("b")
        raise CorruptRawFileError("part 2 is damaged")

    with pytest.raises(CorruptRawFileError, match="part 2 is damaged"):
        make_warehouse(FakeServer()).load_staging(SPEC, STAGING, rows())  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "held", "what"), [
    ("double", pa.array([1.0, float("nan")]), "NaN or an infinite number"), ("double", pa.array([float("-inf")]), "NaN or an infinite"),
    ("date", pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "a date outside"), ("integer", pa.array([2**40]), "does not fit int"),
    ("timestamp", pa.array([-(2**62)]).cast(pa.timestamp("us")), "a date outside"),
])  # fmt: skip
def test_a_value_sql_server_lacks_names_its_column(kind: str, held: pa.Array, what: str) -> None:
    spec = make_spec(columns=[{"name": "k", "type": "bigint"}, {"name": "v", "type": kind}], primary_key=["k"], cursor=None)
    hashes = [pa.array([bytes(32)] * len(held))] * 2
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(held)), pa.int64()), held, *hashes], names=["k", "v", "_key_hash", "_hashdiff"])
    with pytest.raises(ConversionError, match=f"column 'v' .*{what}"):
        load(FakeServer(), [batch], spec)


# --- the other doors -----------------------------------------------------------------------------------------------------


def test_a_server_that_comes_back_is_met_again() -> None:
    server = ready(refused=[LINK_LOST, failure("08001", "Login timeout expired", 0)])
    assert make_warehouse(server).acquire("client").fencing_token == 2
    assert not server.refused


def test_a_server_that_stays_away_ends_the_attempts() -> None:
    server = ready(refused=[LINK_LOST] * 9)
    with pytest.raises(TransientWarehouseError, match="10054"):
        make_warehouse(server).acquire("client")
    assert len(server.refused) == 6


@pytest.mark.parametrize(("state", "text", "number", "remedy"), [
    ("28000", "Login failed for user 'etl'.", 18456, "check UID, PWD"),
    ("42000", "Cannot open database \"dwh\" requested by the login.", 4060, "check Database="),
    ("42000", "CREATE TABLE permission denied in database 'dwh'.", 262, "warehouse_login.sql"),
])  # fmt: skip
def test_what_an_administrator_must_mend_is_said_once(state: str, text: str, number: int, remedy: str) -> None:
    server = FakeServer(refused=[failure(state, text, number)])
    with pytest.raises(WarehouseError) as caught:
        make_warehouse(server).prepare()
    assert remedy in caught.value.remedy
    assert server.opened == 1


def test_the_sweep_leaves_a_staging_table_somebody_still_holds(caplog: pytest.LogCaptureFixture) -> None:
    held = failure("42000", "Lock request time out period exceeded.", 1222)
    server = ready(left_over=["client__3", "client__4", "clients__5", "client__6x"], faults=[Fault("[client__3]", held)])
    assert make_warehouse(server).drop_staging("client") == 1
    assert "client__3" in caplog.text
    assert [text for text in server.texts("DROP TABLE") if "clients" in text or "6x" in text] == []


def test_descriptions_that_may_not_be_written_stop_no_load(caplog: pytest.LogCaptureFixture) -> None:
    spec = make_spec(description="Clients")
    server = ready(faults=[Fault("sp_addextendedproperty", failure("42000", "Object is invalid or permission denied", 15135))])
    assert make_warehouse(server).apply(request(spec, "full")) == Outcome(**DONE)
    assert "descriptions were not written" in caplog.text


def test_only_descriptions_that_changed_are_written() -> None:
    columns = [{"name": "cod_cli", "type": "bigint", "label": "Code"}, {"name": "nom", "type": "varchar(40)", "label": "Nom"}]
    server = ready(described={"nom": "Nom", "": "old"})
    server.tables = stored(make_spec(columns=columns, cursor=None))
    make_warehouse(server).apply(request(make_spec(columns=columns, cursor=None, description="Clients"), "full"))
    written = [values for text, values in server.sent if "extendedproperty" in text]
    assert written == [("ods", "client", "Clients"), ("ods", "client", "cod_cli", "Code")]


def test_a_demo_empties_its_own_database_only() -> None:
    server = FakeServer(owner=(1, 0), left_over=["client"])
    with pytest.raises(ConfigurationError, match="holds tables in stg, ods, marts"):
        make_warehouse(server).start_over()
    assert not server.texts("DROP")
    server.owner = (1, 1)
    make_warehouse(server).start_over()
    assert [text.strip() for text in server.texts("DROP")] == ["DROP TABLE IF EXISTS [ods].[client];"]
    assert isinstance(make_warehouse(server), Disposable)


def test_the_preflight_hears_what_the_server_lacks() -> None:
    advice = make_warehouse(FakeServer()).advice()
    assert [text.split(" ")[0] for text in advice] == ["READ_COMMITTED_SNAPSHOT", "compatibility", "the"]


@pytest.mark.parametrize("statement", [
    "DELETE FROM ods.client", "SELECT * INTO x FROM ods.client", "WITH a AS (SELECT 1 AS b) UPDATE a SET b = 1", "sp_who", "EXEC sp_who",
    "SELECT 1; DROP TABLE ods.client", "SELECT 1 DROP TABLE ods.client", "/* SELECT */ TRUNCATE TABLE ods.client", "SELEC 1", "", "-- x",
    "SELECT * FROM OPENQUERY(x, 'DELETE y')", "SELECT 'a''b' SHUTDOWN",
])  # fmt: skip
def test_the_query_door_sends_nothing_that_writes(statement: str) -> None:
    server = FakeServer()
    with pytest.raises(WarehouseError):
        make_warehouse(server).query(statement)
    assert not server.sent


@pytest.mark.parametrize("statement", [
    "SELECT [update] FROM ods.client", "WITH a AS (SELECT 1 AS b) SELECT b FROM a", "SELECT 'DELETE' AS x -- DROP",
    'SELECT "into" FROM ods.t',
    "/* why */ SELECT N'it''s; DROP'",
])  # fmt: skip
def test_what_reads_is_sent_inside_a_transaction_that_is_rolled_back(statement: str) -> None:
    server = FakeServer()
    make_warehouse(server).query(statement)
    assert [text.strip() for text, _ in server.sent][1:] == [
        "BEGIN TRANSACTION;", statement.strip(), "IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;",
    ]  # fmt: skip


def test_the_watermark_travels_exactly() -> None:
    server = ready()
    moment = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
    make_warehouse(server).apply(request(SPEC, watermark=moment))
    values = next(values for text, values in server.sent if BATCH in text)
    assert "9999-12-31T23:59:59.999999" in values
    assert None not in values
