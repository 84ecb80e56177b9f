"""Pytest plugin: where the real dumps are promised (CBM_REQUIRE_REAL_DUMPS=1), a test skipped for want of them fails.

Every such skip names CBM_REAL_DUMPS in its reason; a skip for another reason stays a skip.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

VARIABLE = "CBM_REAL_DUMPS"
REQUIRED = "CBM_REQUIRE_REAL_DUMPS"


def _is_forbidden(reason: object) -> bool:
    return os.environ.get(REQUIRED) == "1" and VARIABLE in str(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _is_forbidden(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although {REQUIRED}=1 promises the real dumps: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _is_forbidden(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped although {REQUIRED}=1 promises the real dumps: {report.longrepr}"
    return report
