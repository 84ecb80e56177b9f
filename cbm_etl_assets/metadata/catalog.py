"""The catalogue of tables: every `tables/*.yaml`, read, validated and held against the others.

Owns reading the files safely, the file and line in every message, and the rules across tables. The rules inside one
table live in `metadata.spec` and `metadata.specrules`.
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from cbm_etl_assets.errors import SpecError, UnknownTableError
from cbm_etl_assets.metadata.reserved import reserved_in
from cbm_etl_assets.metadata.rules import reference_breaches
from cbm_etl_assets.metadata.spec import CursorPrecision, TableSpec
from cbm_etl_assets.metadata.specerrors import explain, validate
from cbm_etl_assets.metadata.specrules import known
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.metadata.yamltext import parse_yaml

# 600 columns with labels are 60 kB. YAML costs 100 times its size in memory while it is read: 1 MB stays far below 500 MB.
MAX_FILE_BYTES = 1_000_000
FREE_FIELDS = frozenset({"quality"})


class Catalog(Mapping[str, TableSpec]):
    """Specs by `spec.name`, in order of name. Raises: SpecError when they contradict one another."""

    def __init__(self, specs: Mapping[str, TableSpec], files: Mapping[str, Path] | None = None) -> None:
        self._specs = dict(sorted(specs.items(), key=lambda item: item[0].lower()))
        self.files: dict[str, Path] = dict(files or {})
        self._by_lower = {name.lower(): name for name in self._specs}
        self._check_dependencies()
        self._check_histories()
        self._check_rules()

    def __getitem__(self, name: str) -> TableSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def get_or_raise(self, name: str) -> TableSpec:
        """The table of that name, compared without case. Raises: UnknownTableError naming the known ones."""
        found = self._by_lower.get(name.lower())
        if found is None:
            raise UnknownTableError(name, self._specs)
        return self._specs[found]

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Names of the tables a table depends on directly, spelled as they are declared."""
        return tuple(self._by_lower[d.lower()] for d in self.get_or_raise(name).depends_on)

    @cached_property
    def in_load_order(self) -> tuple[str, ...]:
        """Names, each after what it depends on, otherwise in order of name."""
        waiting = {name: set(self.dependencies(name)) for name in self._specs}
        order: list[str] = []
        while waiting:
            ready = [name for name, needs in waiting.items() if not needs & waiting.keys()]
            order += ready
            for name in ready:
                del waiting[name]
        return tuple(order)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and worth knowing: reserved words, DATE cursors declared as datetime."""
        return tuple(text for spec in self._specs.values() for text in _warnings(spec, self._place(spec.name)))

    def _place(self, name: str) -> str:
        return str(self.files[name]) if name in self.files else f"table '{name}'"

    def _check_dependencies(self) -> None:
        for name, spec in self._specs.items():
            for i, needed in enumerate(spec.depends_on):
                if needed.lower() not in self._by_lower:
                    problem = f"unknown table '{needed}'.{known(list(self._specs), needed)}"
                    raise SpecError(self._located(name, ("depends_on", i), problem), remedy="depends_on takes target names")
        if cycle := self._cycle():
            raise SpecError(
                self._located(cycle[0], ("depends_on",), f"the tables depend on each other in a circle: {' -> '.join(cycle)}"),
                remedy="take one of these depends_on out",
            )

    def _cycle(self) -> list[str]:
        """Names along a circle, the first repeated at the end; [] without one. Tables without open needs are peeled off."""
        needs = {name: set(self.dependencies(name)) for name in self._specs}
        users: dict[str, list[str]] = {name: [] for name in needs}
        for name, wanted in needs.items():
            for other in wanted:
                users[other].append(name)
        ready = deque(name for name, wanted in needs.items() if not wanted)
        while ready:
            done = ready.popleft()
            needs.pop(done)
            for user in users[done]:
                needs[user].discard(done)
                if not needs[user]:
                    ready.append(user)
        path: list[str] = []
        while needs:
            step = min(needs[path[-1]]) if path else min(needs)
            if step in path:
                return [*path[path.index(step) :], step]
            path.append(step)
        return path

    def _check_histories(self) -> None:
        for name, spec in self._specs.items():
            twin = self._by_lower.get(f"{name}_history".lower())
            if spec.history and twin:
                raise SpecError(
                    self._located(twin, ("target",), f"target '{twin}' is the history of table '{name}'"),
                    remedy=f"give {twin} another target, or take history off {name}",
                )

    def _check_rules(self) -> None:
        """Quality rules that speak of other tables."""
        by_lower = {name.lower(): spec for name, spec in self._specs.items()}
        for name, spec in self._specs.items():
            for place, problem in reference_breaches(spec, by_lower) if spec.quality else ():
                raise SpecError(self._located(name, place, problem), remedy="name a table of the catalogue and columns of its ODS table")

    def _located(self, name: str, path: tuple[str | int, ...], problem: str) -> str:
        file = self.files.get(name)
        return explain(file, read_text(file), [(path, problem)]) if file else f"table '{name}': {path[0]}: {problem}"


def load_catalog(folder: Path) -> Catalog:
    """The catalogue of a folder: every *.yaml and *.yml in it, hidden files left out.

    Raises: SpecError naming file, line and field.
    """
    if not folder.is_dir():
        raise SpecError(f"The tables folder {folder} does not exist.", remedy="set CBM_TABLES_DIR, or create it with cbm-etl tables add")
    specs: dict[str, TableSpec] = {}
    files: dict[str, Path] = {}
    owners: dict[str, str] = {}
    for file in sorted(p for p in folder.iterdir() if p.suffix.lower() in (".yaml", ".yml") and not p.name.startswith(".")):
        spec = load_spec(file)
        twin = owners.setdefault(spec.name.lower(), spec.name)
        if twin in specs:
            problem = f"target '{spec.name}' is already the target of {files[twin].name} (compared without case)"
            place = ("target",) if spec.target else ("table",)
            raise SpecError(explain(file, read_text(file), [(place, problem)]), remedy="give one of them a `target:` of its own")
        specs[spec.name], files[spec.name] = spec, file
    return Catalog(specs, files)


def load_spec(file: Path) -> TableSpec:
    """One spec from its file. Raises: SpecError naming file, line and field."""
    text = read_text(file)
    data = parse_yaml(text, str(file), FREE_FIELDS)
    return validate(data, text, file)


def read_text(file: Path) -> str:
    """The text of a spec file. Raises: SpecError when it is too large, no text, or cannot be read."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError(f"{file}: is not a file", remedy="the tables folder holds one YAML file a table")
        if status.st_size > MAX_FILE_BYTES:
            raise SpecError(f"{file}: {status.st_size:,} bytes; a spec has at most {MAX_FILE_BYTES:,}", remedy="one file holds one table")
        raw = file.read_bytes()
    except OSError as error:
        raise SpecError(f"{file}: cannot be read: {error.strerror}", remedy="check the file and its permissions") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{file}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8 text", remedy="save the file as UTF-8") from None
    if "\x00" in text:
        raise SpecError(f"{file}:{text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL byte: not a YAML file")
    return text.replace("\r\n", "\n")


def _warnings(spec: TableSpec, place: str) -> Iterator[str]:
    if words := reserved_in(spec.name):
        yield f"{place}: target '{spec.name}' is a reserved word of {', '.join(words)}; it must be quoted in queries"
    for column in spec.kept_columns:
        for target in column.target_names:
            if words := reserved_in(target):
                yield f"{place}: column '{column.name}': '{target}' is a reserved word of {', '.join(words)}; it must be quoted in queries"
    cursor = spec.cursor
    if cursor and cursor.precision is CursorPrecision.DATETIME and not cursor.time_column:
        dates = [name for name in cursor.columns if spec.column(name).logical.kind is Kind.DATE]
        if dates:
            yield f"{place}: cursor {', '.join(dates)} is a date without time of day: write precision: date, or name its time_column"
