"""Names Dagster accepts, made from names people wrote. Pure."""

import re

import dagster as dg

LAYERS: tuple[str, ...] = ("raw", "stg", "ods")
MAX_TAG_CHARS = 63  # Dagster refuses longer tag values.


def asset_key(layer: str, table: str) -> dg.AssetKey:
    return dg.AssetKey([layer, table])


def op_name(table: str) -> str:
    """`load_` in front: a table may be called `output` or `class`, which Dagster refuses as an op name."""
    return f"load_{safe(table)}"


def safe(text: str) -> str:
    """`Ventes & stock` -> `Ventes_stock`; for ops, jobs and groups."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "default"


def tag_value(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:MAX_TAG_CHARS]


def owner(text: str) -> str:
    """An e-mail or `team:x` as it is; any other word becomes a team."""
    if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        return text
    return f"team:{tag_value(text.removeprefix('team:'))}"


def cron_slug(cron: str) -> str:
    """`*/5 2-4 * * 1,3` -> `x_per_5_2_to_4_x_x_1_and_3`: distinct crons keep distinct names."""
    words = {"*": "x", "/": "_per_", "-": "_to_", ",": "_and_", "#": "_nth_"}
    return safe("".join(words.get(c, c) for c in cron))
