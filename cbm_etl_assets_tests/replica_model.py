"""The replica as a dictionary: what ODS, history, watermark and row counts must be after any load. Written from
`replication-semantics`, not from the SQL; knows nothing of hashes, files or databases.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.source.port import ReadRange
from cbm_etl_assets_tests.dict_source import Article, wanted

MICROSECOND = dt.timedelta(microseconds=1)


@dataclass
class Version:
    row: Article
    valid_from: dt.datetime
    valid_to: dt.datetime | None = None


@dataclass
class ReplicaModel:
    """One table with one cursor column. `live` and `deleted` by normalised key."""

    lookback: dt.timedelta
    dirty: dt.timedelta = dt.timedelta(minutes=30)
    live: dict[str, Article] = field(default_factory=dict)
    deleted: dict[str, Article] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    watermark: dt.datetime | None = None
    complete: bool = False
    suspect: set[str] = field(default_factory=set)

    def mode(self, asked: Mode) -> Mode:
        if asked is Mode.INCREMENTAL and not (self.complete and self.watermark):
            return Mode.FULL
        return asked

    def range(self, mode: Mode) -> ReadRange:
        if mode is Mode.INCREMENTAL and self.watermark is not None:
            return ReadRange(self.watermark - self.lookback)
        return ReadRange()

    def load(self, mode: Mode, asked: ReadRange, source: Mapping[str, Article], t0: dt.datetime) -> Counter[str]:
        """Apply a load that has committed. Returns outcome -> rows, `read` and `deleted` among them."""
        if mode is Mode.SWEEP:
            return self._sweep(source, t0)
        delivered = {key: row for key, row in source.items() if wanted(row, asked)}
        if mode is Mode.FULL:
            self.complete, again = True, set()
        else:
            again = self.suspect - delivered.keys()
        self._move_watermark(mode, delivered.values(), t0)
        delivered |= {key: source[key] for key in again if key in source}
        counts: Counter[str] = Counter(read=len(delivered))
        for key, row in delivered.items():
            counts[self._upsert(key, row, t0)] += 1
        gone = self.live.keys() - source.keys() if mode is Mode.FULL else (again & self.live.keys()) - source.keys()
        counts["deleted"] = self._delete(gone, t0)
        self.suspect = {k for k, row in delivered.items() if row.modified is not None and row.modified >= t0 - self.dirty}
        return counts

    def _sweep(self, source: Mapping[str, Article], t0: dt.datetime) -> Counter[str]:
        known = len(source.keys() & self.live.keys())
        gone = self.live.keys() - source.keys()
        return Counter(read=len(source), unchanged=known, filtered=len(source) - known, deleted=self._delete(gone, t0))

    def _move_watermark(self, mode: Mode, rows: Iterable[Article], t0: dt.datetime) -> None:
        stamps = [row.modified for row in rows if row.modified is not None]
        if mode is Mode.PARTITION or not stamps:
            return
        mark = min(max(stamps), t0)
        self.watermark = mark if self.watermark is None else max(self.watermark, mark)

    def _upsert(self, key: str, row: Article, t0: dt.datetime) -> str:
        if self.live.get(key) == row:
            return "unchanged"
        outcome = "updated" if key in self.live else "resurrected" if key in self.deleted else "inserted"
        self.deleted.pop(key, None)
        self.live[key] = row
        versions = self.versions.setdefault(key, [])
        start = min(row.modified or t0, t0)
        if versions:
            last = versions[-1]
            start = max(start, (last.valid_to or last.valid_from) + MICROSECOND)
            last.valid_to = last.valid_to or start
        versions.append(Version(row, start))
        return outcome

    def _delete(self, keys: Iterable[str], t0: dt.datetime) -> int:
        gone = list(keys)
        for key in gone:
            self.deleted[key] = self.live.pop(key)
            last = self.versions[key][-1]
            last.valid_to = max(t0, last.valid_from + MICROSECOND)
        return len(gone)
