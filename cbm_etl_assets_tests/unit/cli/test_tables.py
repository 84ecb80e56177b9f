"""tables: specs proposed, compared, taken over and never written into the package."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.settings import PACKAGE_DIR
from cbm_etl_assets_tests.unit.cli.fakes import FakeSource, Stage

CLIENT = SourceTable(
    "client",
    (
        SourceColumn("cod_cli", LogicalType.parse("integer"), "integer"),
        SourceColumn("nom", LogicalType.parse("varchar(30)"), "character", sql_width=30, label="Nom"),
        SourceColumn("dat_mod", LogicalType.parse("date"), "date"),
    ),
    (SourceIndex("i_nom", ("nom",), unique=True), SourceIndex("i_cli", ("cod_cli",), unique=True, primary=True)),
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home", source=FakeSource({"client": CLIENT}), catalog=None, tables_dir=tmp_path / "tables")


def column(table: SourceTable, name: str, **changes: object) -> SourceTable:
    return replace(table, columns=tuple(replace(c, **changes) if c.name == name else c for c in table.columns))  # type: ignore[arg-type]


def test_add_writes_a_valid_spec_and_asks_which_key_holds_nulls(stage: Stage, tmp_path: Path) -> None:
    stage.source.nulls = frozenset({"cod_cli"})
    played = stage.play("tables", "add", "client", "--json")
    assert played.code == 0, played.err
    assert json.loads(played.out)["written"] == [str(tmp_path / "tables/client.yaml")]
    assert load_catalog(tmp_path / "tables")["client"].primary_key == ("nom",)
    assert sorted(stage.source.asked) == [
        f'SELECT COUNT(*) FROM "PUB"."client" WITH (NOLOCK) WHERE "{c}" IS NULL' for c in ("cod_cli", "nom")
    ]
    assert (tmp_path / "tables/table.schema.json").exists()
    again = stage.play("tables", "add", "client")
    assert (again.code, "--overwrite" in again.err) == (2, True)
    assert stage.play("tables", "add", "client", "--overwrite").code == 0


def test_add_of_an_unknown_table_writes_nothing(stage: Stage, tmp_path: Path) -> None:
    played = stage.play("tables", "add", "nope")
    assert (played.code, "Known: client" in played.err) == (1, True)
    assert not list((tmp_path / "tables").glob("*.yaml"))


def test_the_package_is_no_place_to_write_to(stage: Stage, tmp_path: Path) -> None:
    stage.tables_dir = PACKAGE_DIR / "tables"
    before = sorted(p.name for p in stage.tables_dir.iterdir())
    assert stage.play("tables", "add", "client").code == 0
    assert (tmp_path / "home/tables/client.yaml").exists()
    assert sorted(p.name for p in stage.tables_dir.iterdir()) == before


def test_list_and_check(stage: Stage) -> None:
    stage.play("tables", "add", "client")
    [entry] = json.loads(stage.play("tables", "list", "--json").out)["tables"]
    assert (entry["table"], entry["source"], entry["primary_key"], entry["columns"]) == ("client", "PUB.client", ["cod_cli"], 3)
    assert json.loads(stage.play("tables", "check", "--json").out)["tables"] == 1
    assert "all valid" in stage.play("tables", "check").out


def test_a_broken_spec_is_2_and_names_file_line_and_field(stage: Stage, tmp_path: Path) -> None:
    stage.play("tables", "add", "client")
    file = tmp_path / "tables/client.yaml"
    file.write_text(file.read_text().replace("primary_key: [cod_cli]", "primary_key: [cod_clii]"))
    played = stage.play("tables", "check")
    assert played.code == 2
    assert all(word in played.err for word in ("client.yaml", "primary_key", "cod_clii", "Did you mean 'cod_cli'"))
    assert "Traceback" not in played.err


def test_sync_shows_and_applies_up_to_a_class(stage: Stage, tmp_path: Path) -> None:
    stage.play("tables", "add", "client")
    file = tmp_path / "tables/client.yaml"
    file.write_text("# kept: a person's note\n" + file.read_text())
    wider = column(CLIENT, "nom", type=LogicalType.parse("varchar(60)"), sql_width=60)
    stage.source.tables["client"] = column(wider, "dat_mod", type=LogicalType.parse("boolean"))
    before = file.read_text()
    shown = json.loads(stage.play("tables", "sync", "--json").out)["changes"]
    assert {(c["column"], c["class"], c["applied"]) for c in shown} == {("nom", "safe", False), ("dat_mod", "breaking", False)}
    assert file.read_text() == before
    applied = json.loads(stage.play("tables", "sync", "--apply", "safe", "--json").out)["changes"]
    assert {c["column"]: c["applied"] for c in applied} == {"nom": True, "dat_mod": False}
    spec = load_catalog(tmp_path / "tables")["client"]
    assert (spec.column("nom").type, spec.column("dat_mod").type) == ("varchar(60)", "date")
    assert "kept: a person's note" in file.read_text()
    assert len(list((tmp_path / "tables").glob("*.yaml"))) == 1


def test_sync_shows_since_when_loads_meet_a_change(stage: Stage) -> None:
    stage.play("tables", "add", "client")
    stage.source.tables["client"] = column(CLIENT, "nom", type=LogicalType.parse("varchar(60)"), sql_width=60)
    met = DriftRow("widened", "safe", "nom", "", "", "", "loaded", found_utc=dt.datetime(2026, 11, 20, 2, 0))
    stage.control.drift = [met, replace(met, column="dat_mod", resolved_utc=met.found_utc)]
    [shown] = json.loads(stage.play("tables", "sync", "--json").out)["changes"]
    assert (shown["column"], shown["consequence"], shown["found_utc"]) == ("nom", "loaded", "2026-11-20T02:00:00")
    assert "loaded 2026-11-20 02:00" in stage.play("tables", "sync").out


def test_sync_says_which_table_is_gone(stage: Stage) -> None:
    stage.play("tables", "add", "client")
    stage.source.tables.clear()
    played = stage.play("tables", "sync", "--json")
    assert (played.code, list(json.loads(played.out)["missing"])) == (1, ["client"])


def test_sync_never_writes_a_packaged_spec(stage: Stage) -> None:
    stage.tables_dir = PACKAGE_DIR / "tables"
    text = (stage.tables_dir / "client.yaml").read_text()
    played = stage.play("tables", "sync", "client", "--apply", "breaking")
    assert (played.code, "belongs to the package" in played.err) == (2, True), played.err
    assert (stage.tables_dir / "client.yaml").read_text() == text


def test_import_config_takes_what_it_can_and_names_the_rest(stage: Stage, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    header = "TableName;DestinationTable;PrimaryKeyCols;HasTimestamps;DateCreaCol;DateModifCol;DateModifPrecision;LookbackInterval;IsFact\n"
    (old / "ETL_Tables.csv").write_text(f"{header}client;clients;cod_cli;1;;dat_mod;date;1d;1\ngone;gone;id;0;;;;;0\n")
    refused = stage.play("tables", "import-config", str(old))
    assert (refused.code, "no ETL_Columns.csv" in refused.err) == (2, True)
    (old / "config.ETL_Columns.csv").write_text("TableName;ColumnName;SqlName;SourceExpression;IsExcluded;Notes\nclient;nom;nom;nom;1;\n")
    played = stage.play("tables", "import-config", str(old), "--json")
    assert played.code == 1
    document = json.loads(played.out)
    assert (list(document["failed"]), len(document["written"])) == (["gone"], 1)
    spec = load_catalog(tmp_path / "tables")["clients"]
    assert (spec.primary_key, spec.column("nom").exclude, spec.kind) == (("cod_cli",), True, "fact")
    assert stage.play("tables", "import-config").code == 2


def test_import_df_and_schema(stage: Stage, tmp_path: Path) -> None:
    dump = tmp_path / "x.df"
    dump.write_text('ADD TABLE "ville"\n  DUMP-NAME "ville"\n\nADD FIELD "cp" OF "ville" AS character\n  MAX-WIDTH 10\n  ORDER 10\n\n.\n')
    played = stage.play("tables", "import-df", str(dump), "--json")
    assert (played.code, len(json.loads(played.out)["written"])) == (0, 1), played.err
    assert json.loads(played.out)["keys"] == {"ville": "none"}
    assert len(json.loads(stage.play("tables", "import-df", str(dump), "--json").out)["skipped"]) == 1
    assert "none: loaded in full, rows matched as a multiset" in stage.play("tables", "import-df", str(dump), "--overwrite").out
    dump.write_text("ADD TABLE\n")
    broken = stage.play("tables", "import-df", str(dump))
    assert (broken.code, "x.df" in broken.err, "Traceback" in broken.err) == (2, True, False)
    assert json.loads(stage.play("tables", "schema", "--json").out)["properties"]["primary_key"]
    assert stage.play("tables", "schema", "--out", str(tmp_path / "s")).code == 0
    assert list((tmp_path / "s").iterdir())
