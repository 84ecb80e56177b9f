"""demo: one at a time, what it clears and keeps, the verdict and the exit code."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from pathlib import Path

import pytest

from cbm_etl_assets.cli import demo_story
from cbm_etl_assets.cli.demo import program, quiet_dagster, story_document, story_table
from cbm_etl_assets.cli.demo_story import Act, Story, Teller, alone, clear, copy_tables, demo_settings
from cbm_etl_assets.cli.output import Output
from cbm_etl_assets.errors import BusyError
from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.pipeline.compare import Comparison
from cbm_etl_assets.reliability.process import process_owner
from cbm_etl_assets.settings import PACKAGE_DIR, WarehouseSettings
from cbm_etl_assets_tests.unit.cli.fakes import CANARY, Stage
from cbm_etl_assets_tests.unit.cli.test_load import bad, good


def shown(story: Story) -> str:
    out = io.StringIO()
    Output(out=out).result({}, story_table(story))
    return out.getvalue()


def test_one_demo_at_a_time_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(BusyError, match="Another demo"), alone(tmp_path):
        pass
    assert not (tmp_path / "demo.lock").exists()
    host = process_owner().split(":")[0]
    (tmp_path / "demo.lock").write_text(f"{host}:999999999:demo")
    with alone(tmp_path):
        assert (tmp_path / "demo.lock").exists()


def test_clear_keeps_server_runs_and_logs(tmp_path: Path) -> None:
    for name in ("twin", "dagster", "logs", "lake", "control", "tables"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / "warehouse.duckdb").touch()
    clear(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dagster", "logs", "twin"]


def test_the_demo_touches_no_real_store(tmp_path: Path) -> None:
    settings = demo_settings(Stage(tmp_path).settings())
    assert CANARY not in "".join(settings.secrets())
    for path in (settings.home, settings.tables_dir, settings.warehouse_path, Path(settings.lake_url), settings.control_dir):
        assert path.is_relative_to(tmp_path / "demo")


def test_the_demo_keeps_a_warehouse_on_a_server(tmp_path: Path) -> None:
    held = WarehouseSettings(kind="postgresql", lock_wait_seconds=7)
    assert demo_settings(Stage(tmp_path).settings().model_copy(update={"warehouse": held})).warehouse == held


def test_the_copied_tables_are_the_packaged_ones_with_recent_partitions(tmp_path: Path) -> None:
    copy_tables(tmp_path / "tables", dt.date(2026, 11, 21))
    packaged, copied = load_catalog(PACKAGE_DIR / "tables"), load_catalog(tmp_path / "tables")
    assert list(copied) == list(packaged)
    for name, spec in copied.items():
        assert spec.partition is None or spec.partition.start == dt.date(2026, 10, 7)
        assert spec.model_copy(update={"partition": None}) == packaged[name].model_copy(update={"partition": None})


def test_the_verdict_is_on_the_last_line_of_a_table(tmp_path: Path) -> None:
    story = Story(tmp_path, [Act("3/6 full", good("a")), Act("4/6 incremental", good("a")), Act("3/6 full", good("b"))])
    story.proofs = {"a": Comparison("a", 10, 10), "b": Comparison("b", 11, 10, missing=1)}
    lines = [line for line in shown(story).splitlines() if "│" in line]
    assert "yes" not in lines[0]
    assert "yes, 10 rows" in lines[1]
    assert "NO: 1 missing, 0 extra, 0 different" in lines[2]
    assert not story.proven
    document = story_document(story, 1)
    assert [entry["step"] for entry in document["loads"]] == ["full", "incremental", "full"]
    assert [entry["equal"] for entry in document["proof"]] == [True, False]
    story.proofs["b"] = Comparison("b", 10, 10)
    assert story.proven


def test_a_failed_load_is_never_a_proof(tmp_path: Path) -> None:
    story = Story(tmp_path, [Act("3/6 full", bad("a"))], {"a": Comparison("a", 1, 1)})
    assert not story.proven
    assert "full failed" in shown(story)
    assert not Story(tmp_path).proven


@pytest.mark.parametrize(
    ("acts", "proofs", "code"),
    [
        ([Act("3/6 full", good("a"))], {"a": Comparison("a", 1, 1)}, 0),
        ([Act("3/6 full", good("a"))], {"a": Comparison("a", 1, 2, extra=1)}, 1),
        ([Act("3/6 full", bad("a", code=2))], {}, 2),
        ([], {}, 1),
    ],
)
def test_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, acts: list[Act], proofs: dict[str, Comparison], code: int) -> None:
    def tell(self: Teller, *, keep: bool = False) -> Story:
        self.say("1/6")
        return Story(self.settings.home, acts, proofs, 1.0)

    monkeypatch.setattr(demo_story.Teller, "tell", tell)
    stage = Stage(tmp_path)
    played = stage.play("demo", "--json")
    assert (played.code, json.loads(played.out)["exit_code"]) == (code, code)
    text = stage.play("demo").out
    assert f"cbm-etl --home {tmp_path / 'demo'} ui" in text
    assert f"cbm-etl --home {tmp_path / 'demo'} twin start" in text
    assert CANARY not in text + played.out + played.err


def test_dagsters_log_goes_to_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    output = Output()
    with quiet_dagster(tmp_path / "logs/d.log", output):
        print("noise", file=sys.stderr)
        output.note("said")
    assert capfd.readouterr().err == "said\n"
    assert (tmp_path / "logs/d.log").read_text() == "noise\n"


def test_the_commands_it_ends_with_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = tmp_path / ".venv" / "bin"
    there.mkdir(parents=True)
    (there / "cbm-etl").touch()
    monkeypatch.setattr(sys, "executable", str(there / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert program() == str(there / "cbm-etl")
    monkeypatch.chdir(tmp_path)
    assert program() == str(Path(".venv", "bin", "cbm-etl"))
    (there / "cbm-etl").unlink()
    assert program() == "cbm-etl"
