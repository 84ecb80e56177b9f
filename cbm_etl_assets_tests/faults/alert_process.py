"""One process that watches and drains, for tests that start several or kill one: WEBHOOK CONTROL_URL HOME TABLES."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.settings import ControlSettings, Settings
from cbm_etl_assets_tests.alert_fixture import LENIENT, alerts, table


def main(url: str, control_url: str, home: str, names: str) -> None:
    control = ControlSettings(url=SecretStr(control_url) if control_url else None)
    # group_above 4: each alert a message of its own, so that the other side can count them.
    settings = Settings(home=Path(home), control=control, alerts=alerts(url, group_above=4), slo=LENIENT)
    store = ControlStore(settings)
    watchman = Watchman(store, {name: table(name) for name in names.split(",")}, settings)
    watchman.watch()
    watchman.drain(seconds=60)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
