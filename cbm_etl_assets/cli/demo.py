"""`demo`: tells the story of `cli.demo_story` and prints one table with the numbers that prove it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json, document
from cbm_etl_assets.cli.runtime import runtime_of

if TYPE_CHECKING:
    from rich.table import Table

    from cbm_etl_assets.cli.demo_story import Story
    from cbm_etl_assets.cli.output import Output

COLUMNS = ("table", "load", "read", "inserted", "updated", "unchanged", "seconds", "rows/s", "source = ODS")


def story_document(story: Story, exit_code: int) -> dict[str, Any]:
    """The stable JSON form of a demo."""
    proof = [
        {"table": name, "equal": p.equal, "rows_source": p.rows_source, "rows_ods": p.rows_ods, "missing": p.missing, "extra": p.extra,
         "different": p.different}
        for name, p in story.proofs.items()
    ]  # fmt: skip
    loads = [{"step": act.step.split()[-1], **document(act.result)} for act in story.acts]
    return {
        "command": "demo", "ok": exit_code == 0, "exit_code": exit_code, "seconds": round(story.seconds, 1), "home": str(story.home),
        "loads": loads, "proof": proof,
    }  # fmt: skip


def story_table(story: Story) -> Table:
    """A line a table and load; the verdict on the table's last line."""
    from cbm_etl_assets.cli.output import number, table

    rows: list[tuple[object, ...]] = []
    names = list(dict.fromkeys(act.result.table for act in story.acts))
    for name in names:
        acts = [act for act in story.acts if act.result.table == name]
        for act in acts:
            r, last = act.result, act is acts[-1]
            counts = [number(n) for n in (r.outcome.read, r.outcome.inserted, r.outcome.updated, r.outcome.unchanged)]
            load = act.step.split()[-1] if r.status.value == "success" else f"{act.step.split()[-1]} {r.status.value}"
            shown = name if act is acts[0] else ""
            rows.append(
                (shown, load, *counts, number(r.seconds.total, 2), number(r.rows_per_second), _verdict(story, name) if last else "")
            )
    return table("", COLUMNS, rows, right=COLUMNS[2:8])


def _verdict(story: Story, name: str) -> str:
    from cbm_etl_assets.cli.output import number

    proof = story.proofs.get(name)
    if proof is None:
        return "not compared"
    if proof.equal:
        return f"yes, {number(proof.rows_ods)} rows"
    return f"NO: {proof.missing} missing, {proof.extra} extra, {proof.different} different"


def program() -> str:
    """`cbm-etl` as the reader can type it: after `make demo` it is in .venv/bin and not on the PATH."""
    beside = Path(sys.executable).with_name("cbm-etl")
    if sys.prefix == sys.base_prefix or not beside.exists():
        return "cbm-etl"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


@contextlib.contextmanager
def quiet_dagster(log: Path, output: Output) -> Iterator[None]:
    """Dagster's console log goes to a file; ours keeps the terminal, also while Dagster captures the streams of a step."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(io.UnsupportedOperation):  # a stream without a descriptor cannot be captured either
            output.err = stack.enter_context(os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(log.open("a", encoding="utf-8"))))
        yield


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the twin running.")] = False,
    as_json: Json = False,
) -> None:
    """Tell the whole story on a generated ERP, in about a minute.

    An OpenEdge-like server is started, seven tables are loaded in full, changed, loaded incrementally, one partition is
    loaded again, and source and ODS are compared row by row. It works in CBM_HOME/demo and touches nothing else.
    With CBM_WAREHOUSE__KIND=postgresql the warehouse is a database on the twin's server, or the empty one that
    CBM_WAREHOUSE__CONNECTION_STRING names.
    JSON: ok, exit_code, seconds, home, loads[step, table, rows{...}, ...], proof[table, equal, ...]
    """
    from cbm_etl_assets.cli.demo_story import Teller, demo_settings
    from cbm_etl_assets.cli.load import exit_code, without_secrets
    from cbm_etl_assets.cli.progress import load_progress
    from cbm_etl_assets.observability.logs import configure_logging

    runtime = runtime_of(context)
    settings = demo_settings(runtime.settings)
    configure_logging(settings.log_dir, settings.secrets())
    output = runtime.output(machine=as_json)
    with quiet_dagster(settings.log_dir / "demo-dagster.log", output), load_progress(output) as on_event:
        watched = on_event if output.err.isatty() else None  # in a log the story's own lines are enough
        story = Teller(settings, output.note, watched, now=runtime.now).tell(keep=keep)
    clean = without_secrets([act.result for act in story.acts], runtime.secrets)
    story.acts = [replace(act, result=result) for act, result in zip(story.acts, clean, strict=True)]
    code = exit_code([act.result for act in story.acts]) or (0 if story.proven else 1)
    failures = [": ".join(filter(None, (r.table, r.error_class, r.error_message))) for r in story.failed]
    home = f"{program()} --home {story.home}"
    ask = 'sql "SELECT * FROM ods.client LIMIT 5"'
    closing = f"{story.seconds:.0f} s in all. The runs in Dagster's UI: {home} ui. The warehouse: {home} {ask}."
    twin = f"The twin still runs; it ends with: {home} twin stop." if keep else f"To load again, start the twin first: {home} twin start."
    output.result(story_document(story, code), story_table(story), *failures, closing, twin)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    app.command()(demo)
