"""`run` and `backfill`: load tables through the same core and the same locks as Dagster, with no daemon.

Owns the selection of tables and the form of the result. The loading is `pipeline.load`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.runtime import Runtime, find_table, runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult
    from cbm_etl_assets.quality.report import QualityReport

OUTCOMES = ("read", "inserted", "updated", "unchanged", "superseded", "resurrected", "deduplicated", "quarantined", "filtered", "deleted")
COLUMNS = ("table", "status", "mode", "read", "inserted", "updated", "unchanged", "deleted", "other", "seconds", "rows/s", "watermark")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


class RunMode(StrEnum):
    AUTO = "auto"
    FULL = "full"
    INCREMENTAL = "incremental"


class RunPriority(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"


@dataclass(frozen=True)
class Choice:
    """What the user pointed at: names, or all tables narrowed by filters."""

    names: tuple[str, ...] = ()
    everything: bool = False
    tag: str = ""
    group: str = ""
    priority: str = ""

    @property
    def filtered(self) -> bool:
        return bool(self.tag or self.group or self.priority)


def choose(catalog: Mapping[str, TableSpec], choice: Choice) -> list[TableSpec]:
    """The tables meant, each once. Raises: UnknownTableError, ConfigurationError."""
    if choice.names:
        if choice.everything or choice.filtered:
            raise ConfigurationError("Name tables, or use --all, --tag, --group, --priority; not both.")
        return list({spec.name: spec for spec in (find_table(catalog, name) for name in choice.names)}.values())
    if not (choice.everything or choice.filtered):
        raise ConfigurationError("Which tables?", remedy="name them, or use --all, --tag, --group or --priority")
    if not catalog:
        raise ConfigurationError("No table is declared.", remedy="cbm-etl tables add writes a spec; CBM_TABLES_DIR says where they are")
    found = [spec for spec in catalog.values() if _matches(spec, choice)]
    if not found:
        raise ConfigurationError(
            f"No table matches. Known groups: {_listed(s.group for s in catalog.values())}; "
            f"priorities: {_listed(s.priority.value for s in catalog.values())}; "
            f"tags: {_listed(f'{k}={v}' for s in catalog.values() for k, v in s.tags.items())}."
        )
    return found


def _listed(values: Any) -> str:
    return ", ".join(sorted(set(values))) or "none"


def _matches(spec: TableSpec, choice: Choice) -> bool:
    key, _, value = choice.tag.partition("=")
    tagged = not choice.tag or (key in spec.tags and value in ("", spec.tags[key]))
    return tagged and choice.group in ("", spec.group) and choice.priority in ("", spec.priority.value)


def document(result: LoadResult) -> dict[str, Any]:
    """The stable JSON form of one table's load."""
    return {
        "table": result.table, "status": result.status, "mode": result.mode, "run_id": result.run_id, "seq": result.seq,
        "partitions": result.partitions, "rows": {name: getattr(result.outcome, name) for name in OUTCOMES},
        "seconds": {name: round(getattr(result.seconds, name), 3) for name in ("extract", "transform", "load", "merge", "total")},
        "rows_per_second": round(result.rows_per_second, 1), "bytes": result.bytes, "files": result.files, "attempts": result.attempts,
        "t0": result.t0, "high_water": result.high_water, "watermark": result.watermark, "cleaned": result.cleaned,
        "error": {"class": result.error_class, "message": result.error_message} if result.error_class or result.error_message else None,
        "exit_code": result.exit_code, "quality": quality_document(result.quality) if result.quality else None,
    }  # fmt: skip


def quality_document(report: QualityReport) -> dict[str, Any]:
    """The verdict, and every rule that is not simply good."""
    broken = [
        {"rule": r.rule.name, "text": r.rule.text, "layer": r.layer, "verdict": r.verdict, "blocking": r.rule.blocking,
         "rows_checked": r.checked, "rows_failed": r.failed, "sample_keys": list(r.samples), "message": r.message}
        for r in report.results if r.verdict != "VALID"
    ]  # fmt: skip
    return {"verdict": report.verdict, "rules": len(report.results), "rejected": report.rejected, "not_valid": broken}


def without_secrets(results: Sequence[LoadResult], secrets: Sequence[str]) -> list[LoadResult]:
    """The last gate before a screen: a driver's text may hold the connection string in a form no pattern knows."""
    from cbm_etl_assets.reliability.redact import redact

    return [replace(r, error_message=redact(r.error_message, secrets)) for r in results]


def exit_code(results: Sequence[LoadResult]) -> int:
    """1 when a table failed or was skipped for a failed one, else 2 (configuration), else 3 (busy), else 0."""
    codes = {r.exit_code or (0 if r.status.value == "success" else 3 if r.status.value == "busy" else 1) for r in results}
    return next((code for code in (1, 2, 3) if code in codes), 0)


def result_table(results: Sequence[LoadResult], title: str = "") -> Table:
    from cbm_etl_assets.cli.output import number, table

    rows = []
    for r in results:
        o = r.outcome
        other = o.superseded + o.resurrected + o.deduplicated + o.quarantined + o.filtered
        counts = [number(n) for n in (o.read, o.inserted, o.updated, o.unchanged, o.deleted, other)]
        water = r.watermark.isoformat(" ", "seconds") if r.watermark else "-"
        rows.append((r.table, r.status.value, r.mode.value, *counts, number(r.seconds.total, 2), number(r.rows_per_second), water))
    return table(title, COLUMNS, rows, right=COLUMNS[3:11])


def total_line(results: Sequence[LoadResult], seconds: float) -> str:
    """What the run came to, on the clock of the wall: tables load side by side, so their seconds do not add up."""
    from cbm_etl_assets.cli.output import number

    states = ", ".join(f"{count} {state}" for state, count in Counter(r.status.value for r in results).items())
    read = sum(r.outcome.read for r in results)
    written = sum(r.outcome.inserted + r.outcome.updated + r.outcome.resurrected for r in results)
    what = f"{number(read)} rows read, {number(written)} written in {seconds:.1f} s"
    return f"{len(results)} table{'s' if len(results) != 1 else ''} ({states}): {what}."


def load_and_show(runtime: Runtime, specs: Sequence[TableSpec], options: LoadOptions, settings: LoopSettings) -> int:
    """Load, show, and return the exit code."""
    from cbm_etl_assets.cli.progress import load_progress
    from cbm_etl_assets.pipeline.batch import load_tables

    output, started = runtime.output(), runtime.now()
    with load_progress(output) as on_event:
        results = load_tables(
            runtime.platform, specs, options, threads=settings.threads or runtime.settings.load.threads,
            on_event=on_event, continue_on_error=settings.continue_on_error,
        )  # fmt: skip
    results = without_secrets(results, runtime.secrets)
    code = exit_code(results)
    failures = [f"{r.table}: {r.error_class or r.status.value}: {r.error_message}" for r in results if r.error_message or r.error_class]
    summary = {"command": settings.command, "ok": code == 0, "exit_code": code, "tables": [document(r) for r in results]}
    shown: list[RenderableType] = [result_table(results), total_line(results, (runtime.now() - started).total_seconds()), *failures]
    if settings.report:
        page = _report(runtime, results, started, settings.command)
        summary["report"] = page and str(page)
        shown += [f"Report: {page}"] if page else ["No report was written: CBM_HOME/reports is not writable."]
    output.result(summary, *shown)
    for result in results:
        for found in (q for q in (result.quality.results if result.quality else ()) if q.verdict in ("WARNING", "FAILED")):
            output.note(f"{result.table}: quality {found.verdict}: {found.rule.name}: {found.message}")
    for result in (r for r in results if r.outcome.quarantined):
        output.note(f"{result.table}: {result.outcome.quarantined} rows were left out; why: cbm-etl quarantine list {result.table}")
    runtime.publish(output, [r.run_id for r in results])
    runtime.tell_alerts(output)
    return code


def _report(runtime: Runtime, results: Sequence[LoadResult], started: dt.datetime, command: str) -> Path | None:
    """The run's page. The data is in: a page that cannot be written is None and fails nothing."""
    from cbm_etl_assets.pipeline.run_html import write_run

    try:
        return write_run(runtime.settings.home / "reports", results, started, runtime.now(), command)
    except OSError:
        return None


@dataclass(frozen=True)
class LoopSettings:
    command: str
    threads: int = 0
    continue_on_error: bool = True
    report: bool = True


# A command's options are its parameters: typer has no other way to declare them.
def run(  # noqa: PLR0913
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to load.")] = None,
    mode: Annotated[RunMode, typer.Option(help="auto: full the first time and without a cursor, else incremental.")] = RunMode.AUTO,
    everything: Annotated[bool, typer.Option("--all", help="All tables.")] = False,
    tag: Annotated[str, typer.Option(help="Tables with this tag: KEY or KEY=VALUE.")] = "",
    group: Annotated[str, typer.Option(help="Tables of this group.")] = "",
    priority: Annotated[RunPriority | None, typer.Option(help="Tables of this priority.")] = None,
    continue_on_error: Annotated[bool, typer.Option("--continue-on-error/--fail-fast", help="Go on with the other tables.")] = True,
    threads: Annotated[int, typer.Option(min=0, max=32, help="Tables loaded at once; 0 = CBM_LOAD__THREADS.")] = 0,
    allow_mass_delete: Annotated[bool, typer.Option(help="Approve deletions the guard refused.")] = False,
    skip_validation: Annotated[bool, typer.Option("--skip-validation", help="Evaluate no quality rule; the log shows it.")] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write an HTML report into CBM_HOME/reports.")] = True,
    as_json: Json = False,
) -> None:
    """Load tables: source -> raw Parquet -> staging -> ODS.

    JSON: command, ok, exit_code, report, tables[table, status, mode, rows{read, ...}, seconds{...}, error, quality{verdict, not_valid}]
    """
    runtime = runtime_of(context)
    runtime.warm()
    from cbm_etl_assets.pipeline.results import LoadOptions, Mode

    output = runtime.output(machine=as_json)
    specs = choose(runtime.catalog, Choice(tuple(names or ()), everything, tag, group, priority.value if priority else ""))
    if mode is RunMode.INCREMENTAL:
        for spec in (s for s in specs if not s.cursor):
            output.note(f"{spec.name} has no cursor: an incremental reads it in full and writes what differs.")
    settings = LoopSettings("run", threads, continue_on_error, report)
    options = LoadOptions(mode=Mode(mode.value), allow_mass_delete=allow_mass_delete, skip_validation=skip_validation)
    raise typer.Exit(load_and_show(runtime, specs, options, settings))


def sweep(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TABLE...", help="Tables to sweep.")],
    allow_mass_delete: Annotated[bool, typer.Option(help="Approve deletions the guard refused.")] = False,
    as_json: Json = False,
) -> None:
    """Find deleted rows by reading keys only.

    For tables too large for a daily full load. Rows gone from the source are tombstoned; nothing is inserted or updated.
    JSON: as of `run`.
    """
    runtime = runtime_of(context)
    runtime.warm()
    from cbm_etl_assets.pipeline.results import LoadOptions, Mode

    runtime.output(machine=as_json)
    specs = choose(runtime.catalog, Choice(tuple(names)))
    raise typer.Exit(load_and_show(runtime, specs, LoadOptions(Mode.SWEEP, allow_mass_delete=allow_mass_delete), LoopSettings("sweep")))


def backfill(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    first: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")],
    as_json: Json = False,
) -> None:
    """Load the partitions of a range again.

    The partitions holding the days --from to --to, in one load: it never deletes and never moves the watermark.
    JSON: as of `run`.
    """
    runtime = runtime_of(context)
    runtime.warm()
    from cbm_etl_assets.metadata.partitions import partition_keys
    from cbm_etl_assets.pipeline.results import LoadOptions, Mode

    runtime.output(machine=as_json)
    spec = runtime.table(name)
    if spec.partition is None:
        raise ConfigurationError(f"Table '{spec.name}' has no partitions.", remedy=f"cbm-etl run {spec.name} --mode full")
    keys = tuple(partition_keys(spec.partition, first.date(), last.date()))
    if not keys:
        start = spec.partition.start
        raise ConfigurationError(f"No partition of '{spec.name}' between {first:%Y-%m-%d} and {last:%Y-%m-%d}. The first is {start}.")
    raise typer.Exit(load_and_show(runtime, [spec], LoadOptions(mode=Mode.PARTITION, partitions=keys), LoopSettings("backfill", 1)))


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(backfill)
    app.command()(sweep)
