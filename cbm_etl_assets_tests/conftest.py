"""Fixtures every room may use."""

from __future__ import annotations

from cbm_etl_assets_tests.line_fixture import line
from cbm_etl_assets_tests.tsql.live import tsql_parser
from cbm_etl_assets_tests.twin_fixture import clean_twin, twin

__all__ = ["clean_twin", "line", "tsql_parser", "twin"]
