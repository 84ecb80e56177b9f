"""`cbm-etl`: the command tree and `main()`, the one place where an error becomes a message and an exit code.

Owns exit codes: 0 all good, 1 a table failed (or the unexpected), 2 configuration or usage, 3 busy, 130 Ctrl-C,
143 SIGTERM. Disowns the commands: one file a group beside this one, everything heavy imported inside them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.main import get_command

from cbm_etl_assets.cli import (
    alert,
    breaker,
    dashboard,
    db,
    demo,
    health,
    lake,
    load,
    maintenance,
    metrics,
    plan,
    preflight,
    profile,
    quality,
    quarantine,
    slo,
    sql,
    status,
    tables,
    tables_sync,
    tables_views,
    tables_write,
    twin,
    ui,
    validate,
    verify,
    warehouse,
    why,
)
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import CbmError

EXIT_OF_SIGNAL: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}

app = typer.Typer(
    name="cbm-etl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Replicate a Progress OpenEdge database into a warehouse: run, watch and prove it.",
    epilog="Exit codes: 0 all good, 1 a table failed, 2 configuration or usage, 3 busy.",
)  # fmt: skip
for group in (dashboard, demo, health, load, maintenance, plan, preflight, profile, slo, sql, status, ui, validate, verify, why):
    group.register(app)
for group in (tables_write, tables_sync, tables_views):
    group.register(tables.app)
app.add_typer(tables.app, name="tables")
app.add_typer(twin.app, name="twin")
app.add_typer(lake.app, name="lake")
app.add_typer(db.app, name="db")
app.add_typer(metrics.app, name="metrics")
app.add_typer(quality.app, name="quality")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(alert.app, name="alert")
app.add_typer(breaker.app, name="breaker")
app.add_typer(warehouse.app, name="warehouse")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version("cbm_etl_assets"))
        except PackageNotFoundError:
            print("not installed: run from the source tree")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(file_okay=False, help="Work there instead of CBM_HOME.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of any error, redacted.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    runtime = runtime_of(context)
    runtime.debug, runtime.home = debug, home


def main(arguments: Sequence[str] | None = None, runtime: Runtime | None = None) -> int:
    """Run one command. Returns the exit code; nothing but the message of an expected error reaches the terminal."""
    held = runtime or Runtime()
    _stop_cleanly_on_signals(held)
    try:
        get_command(app).main(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="cbm-etl", obj=held)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except CbmError as error:
        return _say_expected(error, held)
    except Exception as error:  # noqa: BLE001 - the last resort: reported with its traceback, never swallowed
        return _say_unexpected(error, held)
    finally:
        held.close()
    return 0


def _stop_cleanly_on_signals(runtime: Runtime) -> None:
    """A scheduler's SIGTERM and Ctrl-C unwind the stack, so that locks are released and log rows are closed.

    A C call (ODBC, a merge) cannot be unwound: after `stop_seconds`, or on a second signal, the process ends where it is,
    which the next run heals (invariant 4).
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        code = EXIT_OF_SIGNAL[signum]
        for known in EXIT_OF_SIGNAL:
            signal.signal(known, lambda *_: os._exit(code))
        deadline = threading.Timer(runtime.stop_seconds, os._exit, (code,))
        deadline.daemon = True
        deadline.start()
        raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(code)

    if threading.current_thread() is threading.main_thread():  # else an embedding program owns the signals
        for known in EXIT_OF_SIGNAL:
            signal.signal(known, stop)


def _say_expected(error: CbmError, runtime: Runtime) -> int:
    import traceback

    from cbm_etl_assets.reliability.redact import redact

    _say(redact(str(error), runtime.secrets), error.exit_code, type(error).__name__, runtime)
    if runtime.debug:
        print(redact("".join(traceback.format_exception(error)), runtime.secrets), file=sys.stderr)
    return error.exit_code


def _say_unexpected(error: Exception, runtime: Runtime) -> int:
    import traceback

    from cbm_etl_assets.observability.logs import write_crash_report
    from cbm_etl_assets.reliability.redact import redact

    text = redact(f"{type(error).__name__}: {error}", runtime.secrets).splitlines()[0]
    try:
        where = f"traceback: {write_crash_report(_log_dir(runtime), error, runtime.secrets)}"
    except OSError as unwritable:
        where = f"the traceback could not be written ({unwritable.strerror}); run again with --debug"
    _say(f"Unexpected {text}\n  -> {where}", 1, type(error).__name__, runtime)
    if runtime.debug:
        print(redact("".join(traceback.format_exception(error)), runtime.secrets), file=sys.stderr)
    return 1


def _log_dir(runtime: Runtime) -> Path:
    """CBM_HOME/logs; in the default home when the settings themselves cannot be read."""
    try:
        return runtime.settings.log_dir
    except CbmError:
        return Path(".cbm").absolute() / "logs"


def _say(text: str, code: int, kind: str, runtime: Runtime) -> None:
    from cbm_etl_assets.cli.output import printable

    print(f"cbm-etl: {printable(text)}", file=sys.stderr, flush=True)
    if runtime.machine:
        runtime.output().result({"ok": False, "exit_code": code, "error": {"class": kind, "message": text}})


if __name__ == "__main__":
    sys.exit(main())
