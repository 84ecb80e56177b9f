"""The replica as a dictionary: what ODS, history, watermark and row counts must be after any load. Written from
`replication-semantics`, not from the SQL; knows nothing of hashes, files or databases.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

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
    """One table with one cursor column and a column `nb` that may come and go. `live` and `deleted` by normalised key.

    `knows_nb`: whether stored rows were given that column by a full load since it came; None before the first load. Until then it is
    no content: it neither updates a row nor opens a version.
    """

    lookback: dt.timedelta
    dirty: dt.timedelta = dt.timedelta(minutes=30)
    live: dict[str, Article] = field(default_factory=dict)
    deleted: dict[str, Article] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    watermark: dt.datetime | None = None
    complete: bool = False
    suspect: set[str] = field(default_factory=set)
    quarantine: set[str] = field(default_factory=set)
    has_nb: bool = False  # at the source, now
    knows_nb: bool | None = None

    def mode(self, asked: Mode) -> Mode:
        is_due = self.has_nb and self.knows_nb is False
        if asked is Mode.INCREMENTAL and (is_due or not (self.complete and self.watermark)):
            return Mode.FULL
        return asked

    def range(self, mode: Mode) -> ReadRange:
        if mode is Mode.INCREMENTAL and self.watermark is not None:
            return ReadRange(self.watermark - self.lookback)
        return ReadRange()

    def load(self, mode: Mode, asked: ReadRange | None, source: Mapping[str, Article], t0: dt.datetime, heals: bool = True) -> Counter[str]:
        """Apply a load that has committed. Returns outcome -> rows, `read` and `deleted` among them.

        `asked` None: keys only (a replay). `heals` False: killed between its commit and the end of its log row.
        """
        if mode is Mode.SWEEP:
            return self._sweep(source, t0)
        delivered, again = self.delivered(mode, asked, source)
        self.complete = self.complete or mode is Mode.FULL
        self._move_watermark(mode, [delivered[key] for key in delivered.keys() - again], t0)
        bad = {key for key, row in delivered.items() if row.bad}
        counts: Counter[str] = Counter(read=len(delivered), quarantined=len(bad))
        for key in delivered.keys() - bad:
            counts[self._upsert(key, delivered[key], t0)] += 1
        gone = self.live.keys() - source.keys() if mode is Mode.FULL else (again & self.live.keys()) - source.keys()
        counts["deleted"] = self._delete(gone, t0)
        recent = t0 - self.dirty
        self.suspect = {k for k, r in delivered.items() if k not in bad and r.modified is not None and r.modified >= recent}
        self.quarantine = bad if heals else self.quarantine | bad
        self._learn(mode)
        return counts

    def delivered(self, mode: Mode, asked: ReadRange | None, source: Mapping[str, Article]) -> tuple[dict[str, Article], set[str]]:
        """What a load reads, and the keys it looked at again by name: possibly dirty ones and those of the quarantine."""
        found = {key: row for key, row in source.items() if asked is not None and wanted(row, asked)}
        again = set() if mode is Mode.FULL else (self.suspect | self.quarantine) - found.keys()
        return found | {key: source[key] for key in again if key in source}, again

    def repair(self, keys: Iterable[str], source: Mapping[str, Article], t0: dt.datetime) -> None:
        """What a verification does with keys of which nothing tells whether they are news."""
        for key in keys:
            self._upsert(key, source[key], t0)

    def _learn(self, mode: Mode) -> None:
        if mode is Mode.FULL or self.knows_nb is None:
            self.knows_nb = self.has_nb
        elif not self.has_nb:
            self.knows_nb = False

    def _sweep(self, source: Mapping[str, Article], t0: dt.datetime) -> Counter[str]:
        if not self.has_nb:
            self.knows_nb = False
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
        held = self.live.get(key)
        if held is not None and (held == row or (not (self.has_nb and self.knows_nb) and replace(held, nb=row.nb) == row)):
            self.live[key] = self.versions[key][-1].row = row
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
