"""A random life of the twin's `article`, history on: the whole line, ODBC and SQL predicates included, ends equal to the source.

The long random walk is test_state_machine.py, on a dictionary; this one checks that the same holds through the real reader.
"""

from __future__ import annotations

import datetime as dt
import random

import pytest

from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = [pytest.mark.integration, pytest.mark.slow]
KEYS = [f"A{n:05d}" for n in range(1, 25)] + ["N00001", "é0001", "B 0001"]
ROUNDS = 12
FAULTS = """
SELECT 'empty or backwards' FROM ods.article_history WHERE _valid_to <= _valid_from
UNION ALL
SELECT 'overlap' FROM (
    SELECT _valid_to, lead(_valid_from) OVER (PARTITION BY _key_hash ORDER BY _valid_from) AS following FROM ods.article_history
) WHERE following IS NOT NULL AND (_valid_to IS NULL OR _valid_to > following)
UNION ALL
SELECT 'open versions' FROM ods.article AS o
WHERE (SELECT count(*) FROM ods.article_history AS h WHERE h._key_hash = o._key_hash AND h._valid_to IS NULL)
    <> CASE WHEN o._is_deleted THEN 0 ELSE 1 END
"""


def change(line: Line, draw: random.Random) -> None:
    now = line.platform.source.clock()
    stamps = (now, now - dt.timedelta(minutes=20), dt.datetime(2026, 1, 5), dt.datetime(2999, 1, 1), None)
    for key in draw.sample(KEYS, 5):
        if draw.random() < 0.3:
            line.execute("DELETE FROM pub.article WHERE cod_art = %s", key)
        else:
            line.put(key, draw.choice([None, "", "x", "é€", " padded "]), draw.choice(stamps))


def test_the_twin_and_ods_are_equal_after_a_random_life(line: Line) -> None:
    line.spec = article_spec(history=True)
    draw = random.Random(20261121)
    line.load(Mode.FULL)
    for _ in range(ROUNDS):
        change(line, draw)
        mode = draw.choice([Mode.INCREMENTAL, Mode.INCREMENTAL, Mode.SWEEP, Mode.PARTITION, Mode.FULL])
        result = line.load(mode, *(["2026-01-01", "2026-01-02"] if mode is Mode.PARTITION else []))
        assert result.outcome.read == result.outcome.accounted
        assert line.platform.warehouse.query(FAULTS).rows == []
        if mode is Mode.FULL:
            line.assert_equal()
    line.load(Mode.FULL)
    line.assert_equal()
    again = load_table(line.platform, line.spec, LoadOptions(Mode.FULL)).outcome
    assert again.read == again.unchanged
    assert line.leftovers() == []
