"""One source a test, with fast watchdogs, on the OpenEdge side and on the plain side of the twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.source.odbc import OdbcSource
from cbm_etl_assets.source.pool import WorkerPool
from cbm_etl_assets.twin.handle import TwinHandle

MakeSource = Callable[..., OdbcSource]


@pytest.fixture(scope="session")
def readers() -> Iterator[WorkerPool]:
    """Reader processes are used again from test to test, as they are from table to table: starting one costs a second."""
    pool = WorkerPool()
    yield pool
    pool.close()


@pytest.fixture
def make_source(clean_twin: TwinHandle, readers: WorkerPool, tmp_path: Path) -> MakeSource:
    def make(dialect: str = "openedge", **settings: Any) -> OdbcSource:
        text = clean_twin.odbc if dialect == "openedge" else clean_twin.plain_odbc
        fields = {"connection_string": SecretStr(text), "dialect": dialect, "stall_timeout_seconds": 20, **settings}
        return OdbcSource(Settings(home=tmp_path / "home", source=SourceSettings(**fields)), readers)

    return make


def spec_of(table: SourceTable, **more: Any) -> TableSpec:
    columns = [
        {"name": c.name, "type": str(c.type), "extent": c.extent, "sql_width": c.sql_width, "nullable": not c.mandatory}
        for c in table.columns
    ]
    return TableSpec.model_validate({"table": table.name, "columns": columns, **more})
