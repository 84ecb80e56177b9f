"""The kinds of quality rules: what `@rule` declares, and what a spec may write after each name.

Owns the registry, the parameters of a kind (taken from its function's signature, so that the YAML validation, the editor's
JSON Schema and the call agree) and the options every rule takes. The kinds themselves are plug-ins in `quality.kinds`,
imported when the first spec with rules is read; what they do with rows is `quality`'s.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

PLUGINS = "cbm_etl_assets.quality.kinds"


class Layer(StrEnum):
    SOURCE = "source"  # before anything is read
    STG = "stg"  # the rows of the load, before they are merged: a blocking rule stops here
    ODS = "ods"  # the live rows, after the merge


class Severity(StrEnum):
    WARN = "warn"
    ERROR = "error"


class Scope(StrEnum):
    ROW = "row"  # the function gives an expression that is true for a good row; NULL passes
    TABLE = "table"  # the function looks at the relation and gives what it found


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Options(_Model):
    """What every rule takes beside its own parameters. Breached when more rows fail than max_rows, or than max_percent."""

    name: str | None = Field(default=None, pattern="^[A-Za-z0-9_]{1,100}$", description="name of the check; default: kind and columns")
    severity: Severity | None = Field(default=None, description="warn or error; default: error where blocking, else warn")
    blocking: bool = Field(default=False, description="a breach stops the load before the merge (layer ods: what comes after it)")
    max_rows: int | None = Field(default=None, ge=0, description="failing rows allowed")
    max_percent: float | None = Field(default=None, ge=0, le=100, description="failing rows allowed, in percent of the rows checked")
    reject: bool = Field(default=False, description="failing rows go to the quarantine, the others are loaded")
    layer: Layer | None = Field(default=None, description="where it is evaluated, if the kind leaves a choice: stg or ods")


@dataclass(frozen=True)
class Kind:
    """One kind. `function` is called with the parameters of the rule; `main` is the parameter a bare value is taken for.

    `columns`: parameters that name columns of the table. `each`: several columns in the first of them make a rule each.
    """

    name: str
    scope: Scope
    layers: tuple[Layer, ...]
    function: Callable[..., Any]
    summary: str
    main: str = ""
    columns: tuple[str, ...] = ()
    each: bool = False
    sees_masks: bool = False  # False: it judges values, which a masked column no longer has
    tolerance: str = ""  # the parameter that says how many percent must be good
    other: tuple[str, str] | None = None  # parameters that name another table and its columns

    @property
    def default_layer(self) -> Layer:
        return self.layers[0]

    @cached_property
    def model(self) -> type[Options]:
        """The fields a spec may write. Built when the first rule of the kind is read: 5 ms each, and few kinds are used."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters}
        return create_model(f"{self.name.title().replace('_', '')}Rule", __base__=Options, **fields)


@dataclass(frozen=True)
class Column:
    """Marks a parameter as a column of the table, by its source or its target name."""


@dataclass(frozen=True)
class OtherTable:
    """Marks a parameter as another table of the catalogue; the parameter `columns` names columns of that one."""

    columns: str = ""


ColumnName = Annotated[str, Column(), Field(min_length=1, max_length=128)]
ColumnNames = Annotated[tuple[str, ...], Column(), Field(min_length=1, max_length=32)]
_KINDS: dict[str, Kind] = {}


@dataclass(frozen=True)
class _Traits:
    scope: Scope
    layers: tuple[Layer, ...]
    sees_masks: bool = False
    tolerance: str = ""


STG_ODS = (Layer.STG, Layer.ODS)


def rule(
    name: str, *, scope: Scope = Scope.ROW, layers: tuple[Layer, ...] = STG_ODS, sees_masks: bool = False, tolerance: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a kind. Its function's first argument is a `Sight` (rows) or a `Look` (tables), the others are its YAML fields."""
    traits = _Traits(scope, layers, sees_masks, tolerance)

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if name in _KINDS:
            raise ValueError(f"Rule kind '{name}' is registered twice: {_KINDS[name].function.__module__} and {function.__module__}.")
        _KINDS[name] = _kind(name, function, traits)
        return function

    return register


def _kind(name: str, function: Callable[..., Any], traits: _Traits) -> Kind:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    marks = {p.name: list(_marks(p.annotation)) for p in parameters}
    columns = tuple(n for n, found in marks.items() if any(isinstance(m, Column) for m in found))
    return Kind(
        name=name, scope=traits.scope, layers=traits.layers, function=function, main=parameters[0].name if parameters else "",
        summary=(inspect.getdoc(function) or "").partition("\n")[0], columns=columns,
        each=bool(columns) and _is_one(next(p.annotation for p in parameters if p.name == columns[0])), sees_masks=traits.sees_masks,
        tolerance=traits.tolerance,
        other=next(((n, m.columns) for n, found in marks.items() for m in found if isinstance(m, OtherTable)), None),
    )  # fmt: skip


def _marks(annotation: Any) -> Iterator[Any]:
    """What `Annotated` says of a parameter, within `X | None` too."""
    yield from getattr(annotation, "__metadata__", ())
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _marks(one)


def _is_one(annotation: Any) -> bool:
    return typing.get_args(annotation)[:1] == (str,)


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by name."""
    importlib.import_module(PLUGINS)
    return dict(sorted(_KINDS.items()))
