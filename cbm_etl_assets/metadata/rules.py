"""The `quality:` list of a spec, read into rules.

Owns the grammar: `- kind`, `- kind: value`, `- kind: [columns]`, `- kind: {parameter: value, option: value}`; one line may
make several rules, one a column. The kinds are in `metadata.rulekinds`; evaluating a rule is `quality`'s.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cbm_etl_assets.metadata.rulekinds import Kind, Layer, Options, Severity, kinds
from cbm_etl_assets.metadata.specrules import known

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec

Line = dict[str, Any] | str  # one item of `quality:`
RESERVED = frozenset({"certificate", "schema_drift"})  # checks of the platform's own on the same assets
_OPTIONS = frozenset(Options.model_fields)
_EXAMPLES = "for instance `- not_null: [code, name]` or `- range: {column: price, min: 0}`"


class _Breach(Exception):
    """A broken rule and the path of the field within its line."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


@dataclass(frozen=True)
class Rule:
    """One check. `columns` are target names; `parameters` what its kind's function is called with, columns resolved.

    Breached when more than `max_rows` or more than `max_percent` of the rows checked fail; without either, when one does.
    """

    name: str
    kind: str
    layer: Layer
    severity: Severity
    blocking: bool
    reject: bool
    columns: tuple[str, ...]
    text: str
    max_rows: int | None = None
    max_percent: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def is_breached(self, failed: int, checked: int) -> bool:
        if self.max_rows is None and self.max_percent is None:
            return failed > 0
        over_rows = self.max_rows is not None and failed > self.max_rows
        return over_rows or (self.max_percent is not None and 100 * failed > self.max_percent * checked)


def parse_rules(spec: TableSpec) -> tuple[Rule, ...]:
    """The rules of a valid spec, in its order."""
    if not spec.quality:
        return ()
    return tuple(rule for line in spec.quality for rule in _line(spec, line))


def rule_breaches(spec: TableSpec) -> Iterator[str]:
    """Every broken rule, as 'quality.3.range.column: what, which value, remedy'."""
    names: dict[str, int] = {}
    for i, line in enumerate(spec.quality):
        try:
            for rule in _line(spec, line):
                if rule.name in RESERVED or rule.name in names:
                    taken = f"line {names[rule.name] + 1} of quality" if rule.name in names else "the platform"
                    raise _Breach((rule.kind, "name"), f"check '{rule.name}' exists already ({taken}); give this one a name of its own")
                names[rule.name] = i
        except _Breach as breach:
            yield f"{'.'.join(str(step) for step in ('quality', i, *breach.path))}: {breach.message}"


def reference_breaches(spec: TableSpec, catalog: Mapping[str, TableSpec]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Rules that name a table or columns the catalogue does not have: (path, problem). `catalog`: specs by lower-case name."""
    for i, line in enumerate(spec.quality):
        name, value = _split(line)
        kind = kinds()[name]
        if kind.other is None:
            continue
        given, (table, columns) = _given(kind, value), kind.other
        other = catalog.get(str(given[table]).lower())
        if other is None:
            yield (
                ("quality", i, name, table),
                f"unknown table '{given[table]}'.{known([s.name for s in catalog.values()], str(given[table]))}",
            )
            continue
        theirs, mine = [str(c) for c in given.get(columns) or other.key_targets], _listed(given[kind.columns[0]])
        names = [target for target, _ in other.target_columns]
        if unknown := [c for c in theirs if c not in names]:
            yield ("quality", i, name, columns), f"'{other.name}' has no column '{unknown[0]}' in ODS.{known(names, unknown[0])}"
        elif len(theirs) != len(mine):
            yield (
                ("quality", i, name),
                f"{len(mine)} columns here and {len(theirs)} of '{other.name}' ({', '.join(theirs) or 'it has no key'})",
            )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def lines_without(spec: TableSpec, gone: Collection[str]) -> list[Line]:
    """The `quality:` lines that can still be judged when these source columns are no longer there."""
    lowered = {t.lower() for name in gone for t in (name, *spec.column(name).target_names)}
    kept = [_without(line, lowered) for line in spec.quality]
    return [line for line in kept if line is not None]


def _without(line: Line, gone: Collection[str]) -> Line | None:
    name, value = _split(line)
    kind = kinds()[name]
    given = _given(kind, value)
    for parameter in kind.columns:
        named = given.get(parameter)
        listed = named if isinstance(named, list | tuple) else [named] if named else []
        left = [column for column in listed if str(column).lower() not in gone]
        if len(left) == len(listed):
            continue
        if parameter != kind.columns[0] or not kind.each or not left:
            return None
        return {name: given | {parameter: left}}
    return line


def rename_in(line: Line, old: str, new: str) -> Line:
    """The line with one source column under its new name."""
    name, value = _split(line)
    kind = kinds()[name]
    given = _given(kind, value)
    named = {p: given[p] for p in kind.columns if p in given}
    changed = {p: _renamed(v, old, new) for p, v in named.items()}
    return line if changed == named else {name: given | changed}


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(one, old, new) for one in value]
    return new if str(value).lower() == old.lower() else value


def _line(spec: TableSpec, line: object) -> list[Rule]:
    name, value = _split(line)
    if name not in kinds():
        raise _Breach((), f"unknown rule '{name}'.{known(list(kinds()), name)}")
    kind = kinds()[name]
    given = _given(kind, value)
    return [_rule(spec, kind, one) for one in _each(kind, given)]


def _split(line: object) -> tuple[str, object]:
    if isinstance(line, str):
        return line, None
    if not isinstance(line, dict) or len(line) != 1:
        raise _Breach((), f"a rule is a name with its parameters, {_EXAMPLES}")
    [(name, value)] = line.items()
    return str(name), value


def _given(kind: Kind, value: object) -> dict[str, Any]:
    """The fields as written in full: a bare value or list is the kind's first parameter."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(k): v for k, v in value.items()}
    if not kind.main:
        raise _Breach((kind.name,), f"takes no bare value; write `- {kind.name}` or name an option: {', '.join(sorted(_OPTIONS))}")
    return {kind.main: [value] if kind.columns and not kind.each and not isinstance(value, list) else value}


def _each(kind: Kind, given: dict[str, Any]) -> list[dict[str, Any]]:
    if not kind.each or not isinstance(given.get(kind.columns[0]), list):
        return [given]
    listed = given[kind.columns[0]]
    if len(listed) > 1 and given.get("name"):
        raise _Breach((kind.name, "name"), "one name for several columns; leave the name out, or write a line a column")
    return [given | {kind.columns[0]: column} for column in listed]


def _rule(spec: TableSpec, kind: Kind, given: dict[str, Any]) -> Rule:
    model = _validated(kind, given)
    parameters = {name: getattr(model, name) for name in kind.model.model_fields if name not in _OPTIONS}
    columns: list[str] = []
    for name in kind.columns:
        if parameters[name]:
            parameters[name] = _resolved(spec, kind, name, parameters[name])
            columns += [parameters[name]] if isinstance(parameters[name], str) else parameters[name]
    options = {name: getattr(model, name) for name in _OPTIONS}
    layer = _layer(kind, options)
    percent = options["max_percent"]
    if kind.tolerance:
        percent = round(100 - float(parameters[kind.tolerance]), 9)
    return Rule(
        name=options["name"] or "_".join([kind.name, *columns])[:100], kind=kind.name, layer=layer, severity=_severity(kind, options),
        blocking=options["blocking"], reject=options["reject"], columns=tuple(columns), text=rule_text(kind.name, given),
        max_rows=options["max_rows"], max_percent=percent, parameters=parameters,
    )  # fmt: skip


def _validated(kind: Kind, given: dict[str, Any]) -> Any:
    try:
        return kind.model.model_validate(given)
    except ValidationError as error:
        # A misspelt field first: it is why a required one is missing.
        detail = min(error.errors(include_url=False), key=lambda d: d["type"] != "extra_forbidden")
        place = (kind.name, *(step for step in detail["loc"] if isinstance(step, int) or str(step).replace("_", "").isalnum()))
        if detail["type"] == "extra_forbidden":
            own = [name for name in kind.model.model_fields if name not in _OPTIONS]
            wrong = str(detail["loc"][-1])
            raise _Breach((kind.name,), f"unknown field '{wrong}'.{known([*own, *_OPTIONS], wrong)}") from None
        if detail["type"] == "missing":
            raise _Breach((kind.name,), f"needs '{detail['loc'][-1]}'; {kind.summary}") from None
        shown = detail["input"] if isinstance(detail["input"], str | int | float) else type(detail["input"]).__name__
        raise _Breach(place, f"'{shown}': {str(detail['msg']).removeprefix('Value error, ').lower()}") from None


def _resolved(spec: TableSpec, kind: Kind, parameter: str, named: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(named, str):
        return _target(spec, kind, parameter, named)
    return tuple(_target(spec, kind, parameter, one) for one in named)


def _target(spec: TableSpec, kind: Kind, parameter: str, name: str) -> str:
    """The target column of that source or target name. An array is named by its elements."""
    place = (kind.name, parameter)
    for column in spec.kept_columns:
        targets = {t.lower(): t for t in column.target_names}
        named = name.lower() == column.name.lower()
        if not named and name.lower() not in targets:
            continue
        if named and len(targets) > 1:
            raise _Breach(place, f"column '{column.name}' is an array of {column.extent}; name an element: {column.target_names[0]}")
        if column.mask and not kind.sees_masks:
            raise _Breach(place, f"column '{column.name}' is masked ({column.mask}): the rule would judge the mask, not the value")
        return targets.get(name.lower(), column.target_names[0])
    names = [n for c in spec.kept_columns for n in dict.fromkeys((c.name, *c.target_names))]
    excluded = any(c.exclude and c.name.lower() == name.lower() for c in spec.columns)
    raise _Breach(place, f"column '{name}' is excluded" if excluded else f"unknown column '{name}'.{known(names, name)}")


def _layer(kind: Kind, options: Mapping[str, Any]) -> Layer:
    layer = options["layer"] or kind.default_layer
    if layer not in kind.layers:
        raise _Breach((kind.name, "layer"), f"'{layer}': {kind.name} is evaluated on {' or '.join(kind.layers)}")
    if options["reject"] and (kind.scope != "row" or layer is not Layer.STG):
        raise _Breach((kind.name, "reject"), "only a rule on the rows of a load (layer stg) can reject them")
    return Layer(layer)


def _severity(kind: Kind, options: Mapping[str, Any]) -> Severity:
    severity, blocking = options["severity"], options["blocking"]
    if blocking and severity is Severity.WARN:
        raise _Breach((kind.name, "severity"), "a warning cannot block; write severity: error, or take blocking away")
    return Severity(severity or (Severity.ERROR if blocking else Severity.WARN))


def rule_text(kind: str, given: Mapping[str, Any]) -> str:
    """The rule as one line of YAML, for people: `range: {column: price, min: 0}`."""
    if not given:
        return kind
    return f"{kind}: {{{', '.join(f'{k}: {_flow(v)}' for k, v in given.items())}}}"


def _flow(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(v) for v in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_flow(v)}' for k, v in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    is_plain = text.replace("_", "").isalnum() or not isinstance(value, str)
    return text if is_plain else json.dumps(text, ensure_ascii=False)
