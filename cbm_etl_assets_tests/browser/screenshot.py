"""The README's picture: python -m cbm_etl_assets_tests.browser.screenshot HOME [FILE]

HOME is the home of a finished `cbm-etl demo --keep` (it prints it), FILE docs/images/asset-graph.png by default.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets_tests.dagster_server import REPOSITORY, browse, dagster_dev

MART = ["marts", "ca_par_client"]
WIDTH_AND_HEIGHT = "3600,1400"  # so wide that the graph is drawn with its details


def main(home: Path, target: Path) -> None:
    catalog = load_catalog(home / "tables")
    groups = sorted({spec.group for spec in catalog.values()} | {MART[0]})
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    environment = {"CBM_HOME": str(home), "CBM_TABLES_DIR": str(home / "tables")}
    with dagster_dev(home / "dagster", environment) as server, tempfile.TemporaryDirectory() as profile:
        status = server.wait_run(server.launch([MART])["run"]["runId"])
        if status != "SUCCESS":
            sys.exit(f"The mart ended with {status}: see {server.log}.")
        page = f"{server.url}/asset-groups?expanded={expanded}"
        browse(page, Path(profile), f"--window-size={WIDTH_AND_HEIGHT}", f"--screenshot={target}")
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]) if len(sys.argv) > 2 else REPOSITORY / "docs" / "images" / "asset-graph.png")
