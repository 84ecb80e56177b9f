"""A direct connection to the twin's PostgreSQL: these tests look at the data, not at the OpenEdge behaviour of the proxy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import Connection

from cbm_etl_assets.twin.handle import TwinHandle

TODAY = dt.date(2026, 3, 31)


@pytest.fixture
def erp(clean_twin: TwinHandle) -> Iterator[Connection[Any]]:
    with clean_twin.pg() as conn:
        yield conn
        conn.execute("DROP TABLE IF EXISTS public.produit, public.lignecli")
