"""`plan`: what a run would do, before anything runs; `plan --apply` does exactly that, or refuses.

Owns the form and the plan file. The forecast is `pipeline.forecast`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Choice, Json, LoopSettings, RunMode, choose, load_and_show
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.forecast import Forecast

COLUMNS = ("table", "mode", "rows", "seconds", "deletes", "drift", "changes", "DDL", "statement")


def document(one: Forecast) -> dict[str, Any]:
    changes = [
        {"kind": c.kind, "class": c.change_class, "column": c.column, "before": c.before, "after": c.after, "consequence": c.consequence}
        for c in one.changes
    ]
    return {
        "table": one.table, "mode": one.mode, "statement": one.statement, "parameters": list(one.parameters), "rows": one.rows,
        "seconds": one.seconds, "deletes": one.deletes, "ddl": list(one.ddl), "drift_class": one.drift_class, "changes": changes,
        "stop": one.stop, "fingerprint": one.fingerprint,
    }  # fmt: skip


def _row(one: Forecast) -> tuple[object, ...]:
    changes = "; ".join(f"{c.kind} {c.column}: {c.consequence}" for c in one.changes)
    unknown = [value if value is not None else "?" for value in (one.rows, one.seconds, one.deletes)]
    statement = " ".join((one.statement, *(str(list(one.parameters)) if one.parameters else "",))).strip()
    shown = statement if len(statement) <= 300 else f"{statement[:150]} ... {statement[-140:]}"
    return (one.table, one.mode or "stops", *unknown, one.drift_class, changes, "; ".join(one.ddl), one.stop or shown)


def plan(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables; none = all.")] = None,
    mode: Annotated[RunMode, typer.Option(help="As of `run`.")] = RunMode.AUTO,
    apply: Annotated[bool, typer.Option("--apply", help="Load as planned; refused when the plan would now be another.")] = False,
    file: Annotated[Path | None, typer.Option(help="The plan file; default CBM_HOME/run/plan.json.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a run would do, before anything runs.

    Rows, seconds and deletes are those of the last runs of that mode. Exit code 1 when a table would stop.
    JSON: mode, tables[table, mode, statement, parameters, rows, seconds, deletes, ddl, drift_class, changes, stop, fingerprint]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.results import LoadOptions, Mode

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    path = file or runtime.settings.home / "run" / "plan.json"
    if apply:
        raise typer.Exit(_apply(runtime, path, names or ()))
    found = _forecasts(runtime, names or (), LoadOptions(mode=Mode(mode.value)))
    content = {"mode": mode.value, "tables": [document(one) for one in found]}
    _write(path, content)
    tail = f"{len(found)} tables planned. cbm-etl plan --apply{f' --file {file}' if file else ''} loads them as planned."
    output.result(content, table("", COLUMNS, [_row(one) for one in found], right=COLUMNS[2:5]), tail)
    raise typer.Exit(1 if any(one.stop for one in found) else 0)


def _forecasts(runtime: Runtime, names: Sequence[str], options: Any) -> list[Forecast]:
    from cbm_etl_assets.pipeline.forecast import forecast

    specs = choose(runtime.catalog, Choice(tuple(names), everything=not names))
    runtime.platform.control.upgrade()
    return [forecast(runtime.platform, spec, options) for spec in specs]


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """Mode, and fingerprint by table. Raises: ConfigurationError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return RunMode(content["mode"]).value, {str(t["table"]): str(t["fingerprint"]) for t in content["tables"]}
    except FileNotFoundError:
        raise ConfigurationError(f"There is no plan in {path}.", remedy="cbm-etl plan writes one") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} holds no plan: {error}", remedy="cbm-etl plan writes it anew") from None


def _apply(runtime: Runtime, path: Path, names: Sequence[str]) -> int:
    """Raises: ConfigurationError where a table would now be loaded otherwise; nothing is loaded then."""
    from cbm_etl_assets.pipeline.results import LoadOptions, Mode

    mode, planned = _read(path)
    wanted = [runtime.table(name).name for name in names] or list(planned)
    if missing := [name for name in wanted if name not in planned]:
        raise ConfigurationError(f"The plan does not hold {', '.join(missing)}. It holds: {', '.join(planned)}.")
    options = LoadOptions(mode=Mode(mode))
    changed = [one.table for one in _forecasts(runtime, wanted, options) if one.fingerprint != planned[one.table]]
    if changed:
        raise ConfigurationError(
            f"The source, the spec or the watermark of {', '.join(changed)} changed since the plan was made. Nothing was loaded.",
            remedy="cbm-etl plan shows what would be done now",
        )
    return load_and_show(runtime, [runtime.table(name) for name in wanted], options, LoopSettings("plan"))


def register(app: typer.Typer) -> None:
    app.command()(plan)
