"""Rules proposed for a table from what ODS holds, tried on the raw files that are kept, and written as YAML to review.

Owns the reading, the foreign keys and the back-test. What a column's values bear is `quality.suggest`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cbm_etl_assets.errors import CorruptRawFileError, WarehouseError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.rulekinds import Layer, Scope, kinds
from cbm_etl_assets.metadata.rules import Line
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.writer import line_to_yaml
from cbm_etl_assets.pipeline.blocks import column_blocks
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.validate import judge, look_at
from cbm_etl_assets.quality.look import STATEMENTS, Relation, Sight
from cbm_etl_assets.quality.report import Verdict
from cbm_etl_assets.quality.rows import RowRules
from cbm_etl_assets.quality.suggest import MIN_ROWS, Proposal, propose

DAYS, LOADS = 90, 60  # of kept raw files a rule is tried on, newest first
_ORPHANS_PERCENT = 1.0


@dataclass(frozen=True)
class Suggestion:
    """A proposal and its trial. `fired` of `tried` loads; `tried` 0: the rule cannot be tried on raw files."""

    proposal: Proposal
    tried: int = 0
    fired: int = 0

    @property
    def said(self) -> str:
        if not self.tried:
            return self.proposal.why
        times = "never have fired" if not self.fired else f"have fired {self.fired} time{'s' if self.fired > 1 else ''}"
        return f"{self.proposal.why}; would {times} in {self.tried} loads"


@dataclass(frozen=True)
class Suggestions:
    """`days`: between the first and the last raw file tried. `damaged`: raw loads that could not be read."""

    table: str
    rows: int
    found: tuple[Suggestion, ...]
    loads: int = 0
    days: int = 0
    damaged: int = 0

    def yaml(self) -> str:
        """A `quality:` list to review; what fired on past loads stands in comments."""
        head = [
            f"# Proposed for {self.table} from {self.rows} rows of ODS, tried on {self.loads} raw loads of {self.days} days.",
            "# Review, then move what you want under `quality:` of the table's spec. Lines in comments would have fired.", "quality:",
        ]  # fmt: skip
        return "\n".join([*head, *(_line(one) for one in self.found)]) + "\n"


def _line(one: Suggestion) -> str:
    text = f"  - {line_to_yaml(one.proposal.line)}  # {one.said}"
    return f"  # {text.strip()}" if one.fired else text


def suggest(platform: Platform, spec: TableSpec) -> Suggestions:
    """Raises: WarehouseError where the table was never loaded or holds too few rows to learn from."""
    if not platform.warehouse.state(spec.name).last_applied_seq:
        raise WarehouseError(f"Table '{spec.name}' was never loaded: there is nothing to learn from.", remedy=f"cbm-etl run {spec.name}")
    rows = _count(platform, spec)
    if rows < MIN_ROWS:
        raise WarehouseError(f"Table '{spec.name}' holds {rows} rows; {MIN_ROWS} are needed to propose rules.", remedy="load more of it")
    known = {(rule.kind, rule.columns) for rule in spec.rules}
    proposals = [*_standing(spec, rows), *_columns(platform, spec), *_foreign_keys(platform, spec)]
    new = [p for p in proposals if not _is_known(spec, p, known)]
    return _tried(platform, spec, rows, new)


def _is_known(spec: TableSpec, proposal: Proposal, known: set[tuple[str, tuple[str, ...]]]) -> bool:
    return all((rule.kind, rule.columns) in known for rule in with_rules(spec, [proposal.line]).rules)


def with_rules(spec: TableSpec, lines: Sequence[Line]) -> TableSpec:
    return TableSpec.model_validate(spec.model_dump(exclude_unset=True) | {"quality": list(lines)})


def _count(platform: Platform, spec: TableSpec) -> int:
    relation = Relation("ods", spec.name)
    text = STATEMENTS.render("quality/count", relation=relation.ident, live=relation.live)
    return int(str(platform.warehouse.query(text).rows[0][0]))


def _standing(spec: TableSpec, rows: int) -> Iterator[Proposal]:
    if spec.primary_key:
        yield Proposal("duplicate_keys", f"key {', '.join(spec.primary_key)}")
    yield Proposal({"row_count": {"min": max(1, rows // 2)}}, f"{rows} rows now")
    yield Proposal("volume", "against loads of its own mode")


def _columns(platform: Platform, spec: TableSpec) -> Iterator[Proposal]:
    now = _now(platform)
    keys = set(spec.key_targets)
    for block in column_blocks(spec.kept_columns, _count(platform, spec)):
        frame = _frame(platform, spec, [name for column in block for name in column.target_names])
        for column in block:
            for target in column.target_names:
                yield from propose(column, target, frame.get_column(target), now, is_key=target in keys)


def _now(platform: Platform) -> dt.datetime:
    return platform.now().replace(tzinfo=None)


def _frame(platform: Platform, spec: TableSpec, names: Sequence[str]) -> pl.DataFrame:
    relation = Relation("ods", spec.name)
    text = STATEMENTS.render("quality/scan", relation=relation.ident, live=relation.live, columns=STATEMENTS.names(names))
    return pl.DataFrame(pl.from_arrow(platform.warehouse.arrow(text)))


def _foreign_keys(platform: Platform, spec: TableSpec) -> Iterator[Proposal]:
    """A column named and typed as the one key column of another loaded table, nearly all of whose values are there."""
    types = dict(spec.target_columns)
    for other in platform.catalog.values():
        keys = other.key_targets
        if (
            other.name == spec.name
            or len(keys) != 1
            or keys[0] not in types
            or types[keys[0]].kind != dict(other.target_columns)[keys[0]].kind
        ):
            continue
        if spec.key_targets == keys or any(c.mask for c in spec.kept_columns if keys[0] in c.target_names):
            continue
        line: Line = {"foreign_key": {"columns": [keys[0]], "table": other.name}}
        [rule] = with_rules(spec, [line]).rules
        found = judge(rule, look_at(platform, spec, Relation("ods", spec.name), _now(platform)), Layer.ODS)
        if found.verdict is not Verdict.SKIPPED and found.checked >= MIN_ROWS and found.percent <= _ORPHANS_PERCENT:
            yield Proposal(line, f"{found.failed} orphans in {found.checked} rows")


def _tried(platform: Platform, spec: TableSpec, rows: int, proposals: Sequence[Proposal]) -> Suggestions:
    trial = _Trial(platform, spec, proposals)
    trial.run()
    found = tuple(Suggestion(p, trial.loads if p.kind in trial.kinds else 0, trial.fired[i]) for i, p in enumerate(proposals))
    return Suggestions(spec.name, rows, _gathered(found), trial.loads, trial.days, trial.damaged)


def _gathered(found: Sequence[Suggestion]) -> tuple[Suggestion, ...]:
    """Columns that were never empty on one line: a table of 600 has a hundred of them."""
    filled = [one for one in found if one.proposal.kind == "not_null" and not one.fired]
    if len(filled) < 2:
        return tuple(found)
    columns = [name for one in filled for name in _columns_of(one.proposal.line)]
    together = Suggestion(Proposal({"not_null": columns}, f"{len(columns)} columns filled in every row"), filled[0].tried)
    place = found.index(filled[0])
    return (*found[:place], together, *(one for one in found[place:] if one not in filled))


def _columns_of(line: Line) -> list[str]:
    return list(line["not_null"]) if isinstance(line, dict) else []


class _Trial:
    """Row rules on the raw files that are kept, each load by itself, as its own staging would have judged it."""

    kinds = frozenset(name for name, kind in kinds().items() if kind.scope is Scope.ROW)

    def __init__(self, platform: Platform, spec: TableSpec, proposals: Sequence[Proposal]) -> None:
        self.platform, self.spec = platform, spec
        self.fired = [0] * len(proposals)
        self.loads = self.days = self.damaged = 0
        lines = [(i, p.line) for i, p in enumerate(proposals) if p.kind in self.kinds]
        self.rules = {rule.name: (i, rule) for i, line in lines for rule in with_rules(spec, [line]).rules}

    def run(self) -> None:
        stamps = []
        for manifest in self._kept():
            try:
                broken = self._broken(manifest)
            except CorruptRawFileError:
                self.damaged += 1  # told with the result; the other loads still say something
                continue
            self.loads += 1
            stamps.append(manifest.t0)
            for place in {self.rules[name][0] for name in broken}:
                self.fired[place] += 1
        self.days = (max(stamps) - min(stamps)).days + 1 if stamps else 0

    def _kept(self) -> list[Manifest]:
        wanted = {c.name for c in self.spec.kept_columns}
        found = [m for m in self.platform.lake.manifests(self.spec.name) if wanted <= {c["name"] for c in m.columns} and m.rows]
        since = max((m.t0 for m in found), default=dt.datetime.min) - dt.timedelta(days=DAYS) if found else dt.datetime.min
        return [m for m in found if m.t0 >= since][-LOADS:]

    def _broken(self, manifest: Manifest) -> list[str]:
        rules = [rule for _, rule in self.rules.values()]
        if not rules:
            return []
        judge_rows = RowRules(rules, Sight(dict(self.spec.target_columns), manifest.t0))
        transform = self.platform.transform(self.spec)
        keys = list(self.spec.key_targets) or [self.spec.target_columns[0][0]]
        for raw in self.platform.lake.read(manifest):
            frame = transform.columns(raw)
            judge_rows.look(frame, frame.select(keys))
        return [name for name, tally in judge_rows.tallies.items() if tally.rule.is_breached(tally.failed, tally.checked)]
