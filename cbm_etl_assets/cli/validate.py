"""`validate`: the quality rules of tables on what ODS holds now, on the terminal and as an HTML report.

Owns the selection by priority and the form. The work is `pipeline.validation_run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Choice, Json, choose, quality_document
from cbm_etl_assets.cli.runtime import runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.quality.report import QualityReport

COLUMNS = ("table", "rule", "verdict", "severity", "layer", "checked", "failed", "%", "found", "keys")
KEYS_SHOWN = 3


class ValidateFilter(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    ALL = "all"


class ValidateMode(StrEnum):
    FULL = "full"
    INCREMENTAL = "incremental"


def _selected(catalog: Mapping[str, TableSpec], names: Sequence[str], wanted: str | None) -> list[TableSpec]:
    """Named tables, or those of a priority; all without either."""
    if names and wanted:
        raise ConfigurationError("Name tables, or use --filter; not both.")
    if names:
        return choose(catalog, Choice(tuple(names)))
    return choose(catalog, Choice(everything=True, priority=wanted if wanted and wanted != "all" else ""))


def _rows(reports: Sequence[QualityReport], *, everything: bool) -> list[tuple[object, ...]]:
    from cbm_etl_assets.cli.output import number

    return [
        (report.table, r.rule.name, r.verdict, r.rule.severity, r.layer, number(r.checked), number(r.failed), f"{r.percent:.2f}", r.message,
         "; ".join(r.samples[:KEYS_SHOWN]))
        for report in reports for r in report.results if everything or r.verdict != "VALID"
    ]  # fmt: skip


def validate(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to validate; none = all.")] = None,
    wanted: Annotated[ValidateFilter | None, typer.Option("--filter", help="Tables of this priority; none = all.")] = None,
    mode: Annotated[ValidateMode, typer.Option(help="incremental: rules on rows see what the last load wrote.")] = ValidateMode.FULL,
    everything: Annotated[bool, typer.Option("--all-rules", help="List the rules that hold, too.")] = False,
    as_json: Json = False,
) -> None:
    """Evaluate the quality rules on what ODS holds now.

    Loads nothing. Writes etl.DataQuality_Log and an HTML report under CBM_HOME/reports. Exit code 1 when a rule of severity
    error is broken; warnings leave it 0.
    JSON: command, ok, exit_code, report, tables[table, quality{verdict, rules, not_valid[rule, text, verdict, rows_failed, ...]}]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.validation_html import write_validation
    from cbm_etl_assets.pipeline.validation_run import ValidationMode, validate_tables
    from cbm_etl_assets.quality.report import Verdict, worst

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    specs = _selected(runtime.catalog, names or (), wanted.value if wanted else None)
    reports = validate_tables(runtime.platform, specs, ValidationMode(mode.value))
    page = write_validation(runtime.settings.home / "reports", reports, runtime.now(), mode.value)
    verdict = worst(report.verdict for report in reports)
    code = 1 if verdict is Verdict.FAILED else 0
    counted = ", ".join(f"{n} {v.value.lower()}" for v in Verdict if (n := sum(r.count(v) for r in reports)))
    bare = [report.table for report in reports if not report.results]
    document = {
        "command": "validate", "ok": code == 0, "exit_code": code, "report": str(page),
        "tables": [{"table": report.table, "quality": quality_document(report)} for report in reports],
    }  # fmt: skip
    lines = [f"{verdict}: {counted or 'no rule'} on {len(reports)} tables. Report: {page}"]
    lines += [f"Without any rule: {', '.join(bare)}; cbm-etl quality suggest proposes some."] if bare else []
    shown = _rows(reports, everything=everything)
    listing = [table("", COLUMNS, shown, right=COLUMNS[5:8])] if shown else []
    output.result(document, *listing, *lines)
    runtime.tell_alerts(output)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    app.command()(validate)
