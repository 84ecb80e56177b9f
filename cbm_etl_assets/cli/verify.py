"""`verify` and `repair`: is the warehouse equal to the source, and what to do about the keys that are not.

Owns the form of the answer and the exit code: 0 equal, 1 different. The work is `pipeline.verify` and `pipeline.repair`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Choice, Json, choose
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import CbmError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.certificate import Certificate

COUNTS = ("missing", "extra", "different", "pending", "quarantined")
COLUMNS = ("table", "status", "source", "ods", *COUNTS, "verified through", "seconds")
NUMBERS = ("source", "ods", *COUNTS, "seconds")


@dataclass(frozen=True)
class Verified:
    """One table's answer: a certificate (after a repair where there was one), or the error in its place."""

    table: str
    certificate: Certificate | None = None
    repaired: int | None = None
    error: CbmError | None = None

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.certificate is not None and self.certificate.equal else 1


def document(one: Verified, secrets: Sequence[str]) -> dict[str, Any]:
    """The stable JSON form of one table's answer."""
    from cbm_etl_assets.reliability.redact import redact

    if one.error is not None:
        error = {"class": type(one.error).__name__, "message": redact(str(one.error), secrets)}
        return {"table": one.table, "status": "failed", "error": error, "exit_code": one.exit_code}
    found = one.certificate
    if found is None:
        return {"table": one.table, "status": "failed", "error": None, "exit_code": one.exit_code}
    proof = {
        "run_id": found.run_id, "verified_through": found.verified_through, "seq": found.seq, "seconds": round(found.seconds, 3),
        "rows": {"source": found.rows_source, "ods": found.rows_ods},
        "keys": {name: getattr(found, name) for name in COUNTS}, "key_columns": found.key_columns,
        "differences": [{"kind": k.kind, "key": k.key, "columns": k.columns} for k in found.keys], "truncated": found.truncated,
        "fingerprints": found.fingerprints, "buckets_different": found.buckets_different,
        "columns": [c.document() for c in found.columns],
    }  # fmt: skip
    repaired = {} if one.repaired is None else {"repaired": one.repaired}
    return {"table": one.table, "status": found.status.value, **proof, **repaired, "error": None, "exit_code": one.exit_code}


def _row(one: Verified) -> tuple[object, ...]:
    from cbm_etl_assets.cli.output import number

    found = one.certificate
    if found is None:
        return (one.table, "failed", *("" for _ in COLUMNS[2:]))
    counts = (found.rows_source, found.rows_ods, *(getattr(found, name) for name in COUNTS))
    status = "ok" if found.equal else "fail"
    return (one.table, status, *map(number, counts), str(found.verified_through or ""), number(found.seconds, 1))


def _listing(one: Verified, limit: int) -> list[str]:
    """The differing keys, one a line."""
    found = one.certificate
    if found is None or found.equal:
        return []
    shown = found.keys[:limit] if limit else found.keys
    lines = [f"{one.table}: {k.kind} {_key(k.key)}" + (f" in {', '.join(k.columns)}" if k.columns else "") for k in shown]
    total = found.missing + found.extra + found.different
    if len(shown) < total:
        lines.append(f"{one.table}: {total} differ, {len(shown)} shown (--limit 0 and --json show up to {len(found.keys)})")
    if not found.key_columns:
        return [*lines, f"{one.table}: it has no key to repair by; cbm-etl run {one.table} --mode full loads it anew"]
    return [*lines, f"{one.table}: cbm-etl repair {one.table} reads these keys again, cbm-etl why {one.table} KEY tells their story"]


def _key(key: Sequence[object]) -> str:
    return " ".join(str(part) for part in key)


def _answer(specs: Sequence[TableSpec], work: Callable[[TableSpec], Verified]) -> list[Verified]:
    """One table's failure never stops the others."""
    answers = []
    for spec in specs:
        try:
            answers.append(work(spec))
        except CbmError as error:
            answers.append(Verified(spec.name, error=error))
    return answers


def _show(runtime: Runtime, command: str, answers: Sequence[Verified], limit: int) -> int:
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.reliability.redact import redact

    codes = {one.exit_code for one in answers}
    code = next((c for c in (1, 2, 3) if c in codes), 0)
    summary = {"command": command, "ok": code == 0, "exit_code": code, "tables": [document(a, runtime.secrets) for a in answers]}
    errors = [f"{a.table}: {redact(str(a.error), runtime.secrets)}" for a in answers if a.error]
    listed = [line for a in answers for line in _listing(a, limit)]
    runtime.output().result(summary, table("", COLUMNS, [_row(a) for a in answers], right=NUMBERS), *listed, *errors)
    runtime.tell_alerts(runtime.output())
    return code


def verify(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to verify.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All tables.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Differing keys shown a table; 0 = all that are listed.")] = 50,
    as_json: Json = False,
) -> None:
    """Prove that ODS equals the source.

    Reads both again and compares counts, keys, every column and every row. Exit 1 with the keys listed when they differ; rows
    the source changed since the last load are pending, not different. A certificate is written to etl.Certificate.
    JSON: command, ok, exit_code, tables[table, status, rows, keys, differences[kind, key, columns], columns, verified_through, error]
    """
    from cbm_etl_assets.pipeline.verify import verify as certify

    runtime = runtime_of(context)
    runtime.output(machine=as_json)
    specs = choose(runtime.catalog, Choice(tuple(names or ()), everything))
    answers = _answer(specs, lambda spec: Verified(spec.name, certify(runtime.platform, spec)))
    raise typer.Exit(_show(runtime, "verify", answers, limit))


def repair(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TABLE...", help="Tables to repair.")],
    allow_mass_delete: Annotated[bool, typer.Option(help="Approve deletions the guard refused.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Keys shown that still differ; 0 = all.")] = 50,
    as_json: Json = False,
) -> None:
    """Read the keys that differ again and write them.

    Verifies, re-reads exactly the differing keys from the source, writes them like a load, verifies again.
    JSON: as of `verify`, after the repair, and repaired: keys written
    """
    from cbm_etl_assets.pipeline.repair import repair as mend

    runtime = runtime_of(context)
    runtime.output(machine=as_json)

    def work(spec: TableSpec) -> Verified:
        done = mend(runtime.platform, spec, allow_mass_delete=allow_mass_delete)
        wrote = done.before.missing + done.before.extra + done.before.different
        if done.load is not None:
            runtime.output().note(f"{spec.name}: {wrote} keys read again: {_outcome(done.load.outcome)}")
        return Verified(spec.name, done.after, repaired=wrote if done.load is not None else 0)

    specs = choose(runtime.catalog, Choice(tuple(names)))
    raise typer.Exit(_show(runtime, "repair", _answer(specs, work), limit))


def _outcome(outcome: object) -> str:
    counted = {name: getattr(outcome, name) for name in ("inserted", "updated", "resurrected", "unchanged", "quarantined", "deleted")}
    return ", ".join(f"{number} {name}" for name, number in counted.items() if number) or "nothing to write"


def register(app: typer.Typer) -> None:
    app.command()(verify)
    app.command()(repair)
