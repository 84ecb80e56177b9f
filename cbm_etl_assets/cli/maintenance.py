"""`maintenance`: what the job of that name does every night, for machines without Dagster's daemon."""

from __future__ import annotations

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of


def maintenance(context: typer.Context, as_json: Json = False) -> None:
    """Prune old log rows, log files and Dagster runs, as CBM_JOURNAL__* says.

    The newest row, check result and materialization of each kind stay; no data is touched.

    JSON: removed{kind: count}
    """
    from cbm_etl_assets.cli.output import number, table
    from cbm_etl_assets.orchestration.home import open_instance
    from cbm_etl_assets.orchestration.maintenance import keep_house

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    runtime.platform.control.upgrade()
    with open_instance(runtime.settings) as instance:
        removed = keep_house(instance, runtime.platform, runtime.catalog)
    rows = [(kind, number(count)) for kind, count in removed.items()]
    output.result({"removed": removed}, table("", ("what", "removed"), rows, right=("removed",)))


def register(app: typer.Typer) -> None:
    app.command()(maintenance)
