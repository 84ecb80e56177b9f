"""The benchmark's tables: their size, their determinism, and a mutation an incremental can find."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import Connection

from bench.sources import BENCH_TABLES, bench_table, create_bench_tables, mutate_percent

pytestmark = pytest.mark.integration


def test_shapes() -> None:
    shapes = {n: (t.rows, len(bench_table(n).columns)) for n, t in BENCH_TABLES.items()}
    assert shapes == {"produit": (40_000, 320), "lignecli": (2_000_000, 25), "produit_1x": (436_327, 600)}


def _digest(conn: Connection[Any]) -> object:
    return conn.execute("SELECT count(*), sum(hashtextextended(l::text, 0)) FROM public.lignecli l").fetchone()


def test_the_rows_repeat_and_a_mutation_is_exact(erp: Connection[Any]) -> None:
    assert create_bench_tables(erp, rows=2_000) == {"produit": 2_000, "lignecli": 2_000}
    first = _digest(erp)
    high = erp.execute("SELECT max(dat_mod) FROM public.lignecli").fetchone()
    assert mutate_percent(erp, "lignecli", 1) == 20
    assert erp.execute("SELECT count(*) FROM public.lignecli WHERE dat_mod > %s", high).fetchone() == (20,)
    assert mutate_percent(erp, "produit", 1) == 20
    assert _digest(erp) != first
    create_bench_tables(erp, tables=("lignecli",), rows=2_000)
    assert _digest(erp) == first
