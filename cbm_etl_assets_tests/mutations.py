"""The mutation check: deliberate defects in the merge, watermark and history code, each of which a named test must catch.

`python -m cbm_etl_assets_tests.mutations [word ...]` works on a copy of the checkout, never on the checkout itself: one defect at
a time is written into the copy and the named tests must fail there, having passed before. Exit 1 when a defect survives. Words
choose the defects whose name holds one of them. The list for readers is docs/mutation-check.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("cbm_etl_assets", "cbm_etl_assets_tests", "sql", "pyproject.toml")
WAREHOUSE = "contract/test_warehouse.py"
MODEL = "integration/test_state_machine.py::test_the_replica_agrees_with_the_model"
APPLY = "cbm_etl_assets/warehouse/dialects/duckdb_apply.py"
MERGING = "cbm_etl_assets/warehouse/merging.py"
PLAN = "cbm_etl_assets/pipeline/plan.py"


@dataclass(frozen=True)
class Mutation:
    """`old` stands exactly once in `path`; `test` is below cbm_etl_assets_tests and fails once `new` stands there."""

    name: str
    path: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation("wrong comparison of row hashes", APPLY,
             'by_hash = ["o._hashdiff <> s', 'by_hash = ["o._hashdiff > s', MODEL),
    Mutation("respelled key taken for unchanged", APPLY,
             "for name in map(self.statements.quote, plan.respelled)]", "for name in ()]",
             f"{WAREHOUSE}::test_a_key_spelled_anew_is_an_update"),
    Mutation("NULL cursors forgotten", PLAN,
             "include_nulls=spec.cursor.nulls is NullCursor.ALWAYS", "include_nulls=False",
             "unit/pipeline/test_plan.py::test_an_incremental_reads_from_the_watermark_less_the_lookback"),
    Mutation("lookback off by one: the bound itself is not read", PLAN,
             "lower = state.watermark - spec.cursor.lookback",
             "lower = state.watermark - spec.cursor.lookback + dt.timedelta(microseconds=1)",
             "unit/pipeline/test_plan.py::test_an_incremental_reads_from_the_watermark_less_the_lookback"),
    Mutation("lookback off by one in the statement", "cbm_etl_assets/source/query.py",
             'f"{name} >= {dialect.marker(kind)}"', 'f"{name} > {dialect.marker(kind)}"',
             "unit/source/test_query.py::test_any_cursor_column_qualifies_a_row_and_null_cursors_are_read"),
    Mutation("watermark not capped at the source's clock", PLAN,
             "return min(high_water, self.t0)", "return high_water",
             "unit/pipeline/test_plan.py::test_the_watermark_is_exact_and_capped_at_the_source_clock"),
    Mutation("watermark may move backwards", "sql/duckdb/staging/advance.sql",
             "ELSE greatest(watermark, $watermark::TIMESTAMP)", "ELSE $watermark::TIMESTAMP",
             f"{WAREHOUSE}::test_the_watermark_moves_with_its_data_and_only_forwards"),
    Mutation("watermark moved before the commit of its data", APPLY,
             '        read = self.number("ods/count", target=self.staging)\n        if request.seq',
             '        read = self.number("ods/count", target=self.staging)\n        self._advance()\n'
             '        self.connection.execute("COMMIT")\n        self.connection.execute("BEGIN TRANSACTION")\n        if request.seq',
             f"{WAREHOUSE}::test_a_failed_apply_moves_nothing"),
    Mutation("watermark moved by a backfill", PLAN,
             "if self.mode in (Mode.PARTITION, Mode.SWEEP", "if self.mode in (Mode.SWEEP, Mode.SWEEP",
             "unit/pipeline/test_plan.py::test_the_first_partition_is_open_below_and_takes_null_cursors"),
    Mutation("newer rows not protected from an older load", "sql/duckdb/ods/classify.sql",
             "        WHEN o._load_seq > $seq THEN 'superseded'\n", "", f"{WAREHOUSE}::test_the_freshest_read_wins"),
    Mutation("newer rows deleted by an older load", "sql/duckdb/ods/absent.sql",
             " AND o._load_seq < $seq", " AND $seq > 0", f"{WAREHOUSE}::test_an_older_load_resurrects_and_deletes_nothing"),
    Mutation("fencing token not checked", MERGING,
             "if state.fencing_token != request.fencing_token:", "if state.fencing_token < 0:",
             f"{WAREHOUSE}::test_the_freshest_read_wins"),
    Mutation("a returned row stays deleted", "sql/duckdb/ods/classify.sql",
             "        WHEN o._is_deleted THEN 'resurrected'\n", "", f"{WAREHOUSE}::test_a_deleted_row_keeps_its_values_and_comes_back"),
    Mutation("smallest cursor wins among duplicates", APPLY,
             "DESC NULLS LAST", "ASC NULLS LAST", f"{WAREHOUSE}::test_duplicates_in_one_extraction_keep_the_greatest_cursor"),
    Mutation("what may have been dirty is forgotten", "sql/duckdb/staging/recheck_remember.sql",
             ">= $since::TIMESTAMP", "< $since::TIMESTAMP", MODEL),
    Mutation("history: versions overlap when a stamp steps back", "sql/duckdb/history/versions.sql",
             "b.last_bound + INTERVAL 1 MICROSECOND", "$t0::TIMESTAMP - INTERVAL 100 YEAR",
             f"{WAREHOUSE}::test_history_bounds_never_overlap_when_the_stamp_steps_back"),
    Mutation("history: a deleted row keeps its open version", "sql/duckdb/history/close_deleted.sql",
             "WHERE _valid_to IS NULL AND", "WHERE _valid_to IS NOT NULL AND", f"{WAREHOUSE}::test_history_tiles_time"),
    Mutation("history: a returned row opens no version", "sql/duckdb/history/versions.sql",
             "('inserted', 'updated', 'resurrected')", "('inserted', 'updated')",
             "integration/test_promises.py::test_de02_a_key_changed_and_used_again"),
    Mutation("hashes over a column that came in part taken for all", "cbm_etl_assets/warehouse/merging.py",
             "for column in request.hash_columns if column not in bare", "for column in ()",
             f"{WAREHOUSE}::test_a_column_that_came_and_went_between_full_loads_adds_no_version"),
    Mutation("quarantine: a row found bad again is healed", "sql/control/common/quarantine_heal_all.sql",
             "LoadSeq < :seq", "LoadSeq <= :seq",
             "integration/test_promises.py::test_a_bad_row_is_kept_and_retried_until_it_is_good"),
    Mutation("quarantine: its keys are not read again", "cbm_etl_assets/pipeline/extract.py",
             "    if entries:\n        keys = keys_of", "    if False:\n        keys = keys_of",
             "integration/test_promises.py::test_a_bad_row_is_kept_and_retried_until_it_is_good"),
    Mutation("certificate: news of the source taken for damage", "cbm_etl_assets/pipeline/pending.py",
             "if state.watermark is not None and cursor > state.watermark:", "if state.watermark is None:",
             "integration/test_certificate.py::test_without_raw_files_the_cursor_alone_decides"),
    Mutation("alerts: a lease is not respected", "sql/control/common/alert_claim.sql", " AND (LeaseUtc IS NULL OR LeaseUtc <= :now)", "",
             "contract/test_alert_rows.py::test_a_message_is_leased_to_one_owner_at_a_time"),
    Mutation("alerts: Retry-After is not respected", "cbm_etl_assets/alerting/deliver.py",
             "max(wait, answer.retry_after_seconds or 0.0)", "wait",
             "faults/test_alert_delivery.py::test_al08_a_retry_after_is_respected_and_nothing_is_lost"),
    Mutation("alerts: a failed request tells the address", "cbm_etl_assets/alerting/http.py",
             'f"{type(error).__name__} at {host}"', "str(error)",
             "faults/test_alert_delivery.py::test_no_log_and_no_row_holds_the_address"),
    Mutation("certificate: what a killed load had read taken for given", "cbm_etl_assets/pipeline/pending.py",
             "return [m for m in manifests if m.seq <= last_applied_seq and not any(seq > m.seq > after for seq, after in starts)]",
             "return list(manifests)",
             "integration/test_certificate.py::test_what_a_killed_load_had_read_is_still_news"),
    Mutation("dates as a damaging driver gives them", "cbm_etl_assets/source/dialects.py",
             'text_cast="CAST({column} AS VARCHAR(40))"', 'text_cast=""',
             "unit/source/test_query.py::test_a_driver_that_damages_dates_is_given_the_servers_text"),
)  # fmt: skip


def apply(mutation: Mutation, root: Path) -> str:
    """Writes the defect below `root` and returns the text it replaced. Raises: ValueError where its place is not there once."""
    path = root / mutation.path
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(f"'{mutation.name}': its text stands {text.count(mutation.old)} times in {mutation.path}, not once")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    return text


@contextmanager
def copied() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cbm-mutations-") as folder:
        root = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.duckdb"))
            else:
                shutil.copyfile(ROOT / name, root / name)
        yield root


def failing(root: Path, tests: list[str]) -> bool:
    """Whether a test failed. Raises: RuntimeError when none could be run, which catches nothing."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *(f"cbm_etl_assets_tests/{t}" for t in tests)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")}
    environment |= {"PYTHONPATH": str(root), "HYPOTHESIS_PROFILE": "unshrunk"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return ended.returncode == 1


def main(words: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not words or any(word.lower() in m.name.lower() for word in words)]
    survivors = []
    with copied() as root:
        if failing(root, sorted({m.test for m in chosen})):
            print("The tests fail without any defect; they prove nothing.")
            return 1
        for mutation in chosen:
            before = apply(mutation, root)
            caught = failing(root, [mutation.test])
            (root / mutation.path).write_text(before, encoding="utf-8")
            print(f"{'caught  ' if caught else 'SURVIVED'}  {mutation.name}  [{mutation.test}]", flush=True)
            survivors += [] if caught else [mutation.name]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} defects caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
