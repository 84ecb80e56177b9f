"""OdbcSource: the Source port over ODBC.

Owns the order of things: a connection slot, a reader process, the dialect's statement, the typed answer. Every driver call
happens in a reader process, because a driver may crash when the link is cut. Retries belong to the pipeline.
"""

from __future__ import annotations

import base64
import datetime as dt
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cbm_etl_assets.errors import SettingsError, SourceError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.source import dialects, messages, odbc_catalogue, openedge_catalogue, requests
from cbm_etl_assets.source.caps import CapMemory
from cbm_etl_assets.source.connections import connection_slot
from cbm_etl_assets.source.key_query import build_key_selects
from cbm_etl_assets.source.messages import Message
from cbm_etl_assets.source.pool import Watch, WorkerPool
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress
from cbm_etl_assets.source.query import SelectQuery, SplitRange, build_bounds, build_select, ordered, split_ranges
from cbm_etl_assets.source.shapes import ShapeMemory

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Part:
    """One statement of an extraction and the answer to it."""

    query: SelectQuery
    answer: Message


class _Meter:
    """Adds the progress of parallel parts up to one line, and tells the others once a part has failed."""

    def __init__(self, progress: Progress | None) -> None:
        self.failed = threading.Event()
        self._progress = progress
        self._parts: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def see(self, part: int, rows: int, size: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._parts[part] = (rows, size)
            total = [sum(values) for values in zip(*self._parts.values(), strict=True)]
            self._progress(total[0], total[1])


class OdbcSource:
    """Nothing is connected or started until used; `warm()` starts a reader ahead of time, `close()` ends all of them.

    Sources may share a `pool`; one that is handed in is not closed here. Rows with an `unstorable` value are bad rows.
    """

    def __init__(self, settings: Settings, pool: WorkerPool | None = None, unstorable: Collection[Unstorable] = ()) -> None:
        self._settings = settings.source
        self._unstorable = sorted(unstorable)
        string = settings.source.connection_string
        profile = dialects.profile_of(string.get_secret_value() if string else "")
        self._dialect = dialects.for_driver(dialects.dialect(settings.source.dialect), profile)
        self._slots = settings.home / "run" / "source-slots"
        self._pool = pool or WorkerPool()
        self._owns_pool = pool is None
        self._caps = CapMemory(settings.home / "run" / "text-caps")
        self._shapes = ShapeMemory(settings.home / "run" / "shapes")

    def warm(self, count: int = 1) -> None:
        """Start reader processes in the background: their 0.7 s of imports pass while the caller reads specs."""
        self._pool.warm(count)

    def close(self) -> None:
        if self._owns_pool:
            self._pool.close()

    def __enter__(self) -> OdbcSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clock(self) -> dt.datetime:
        """Source's wall clock, naive. The session zone is pinned to the source's for drivers that have one."""
        answer = self._small(self._dialect.clock_sql, (), self._settings.timezone).column(0)[0].as_py()
        if isinstance(answer, str):
            answer = dt.datetime.fromisoformat(answer)
        if not isinstance(answer, dt.datetime):
            raise SourceError(f"The source's clock answered {answer!r}, not a stamp.", remedy=f"check dialect '{self._dialect.name}'")
        return answer.astimezone(ZoneInfo(self._settings.timezone)).replace(tzinfo=None) if answer.tzinfo else answer

    def table_names(self, schema: str) -> list[str]:
        if self._dialect.catalogue == "openedge":
            return openedge_catalogue.table_names(self.query, schema)
        return [str(name) for name in self._describe(schema, None)]

    def catalogue(self, schema: str, table: str) -> SourceTable:
        if self._dialect.catalogue == "openedge":
            return openedge_catalogue.describe_table(self.query, schema, table)
        return odbc_catalogue.parse_table(self._describe(schema, table))

    def declared(self, spec: TableSpec) -> SourceTable | None:
        if self._dialect.catalogue == "openedge":
            # One statement over _Field: 30 ms on the twin, where the whole catalogue of a table takes 110.
            return openedge_catalogue.describe_columns(self.query, spec.source_schema, spec.table)
        # ODBC's catalogue functions take 1 s for 426 columns through psqlODBC: asked only when the shape of an empty result
        # (one round trip) is another than the last time, or when the spec names columns it does not have.
        sql = f"SELECT * FROM {self._dialect.table(spec.source_schema, spec.table)} WHERE 1 = 0"  # noqa: S608  quoted identifiers
        return self._shapes.table(spec, self.query(sql).schema, lambda: self.catalogue(spec.source_schema, spec.table))

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        return self._small(sql, parameters, "UTC")

    def extract(self, request: ExtractRequest, progress: Progress | None = None) -> ExtractResult:
        """One Parquet file a part, in part order. After a failure `out_dir` is empty again and nobody writes into it any more."""
        meter = _Meter(progress)
        queries = self._queries(request)
        before = set(request.out_dir.glob("part-*.parquet"))
        try:
            if len(queries) == 1 or request.keys is not None:
                parts = [self._part(request, query, index, meter) for index, query in enumerate(queries)]
            else:
                parts = self._parallel(request, queries, meter)
        except BaseException:  # an interrupt too: a half file must not meet the next attempt
            for path in set(request.out_dir.glob("part-*.parquet")) - before:
                path.unlink(missing_ok=True)
            raise
        return self._result(request, parts)

    def _parallel(self, request: ExtractRequest, queries: Sequence[SelectQuery], meter: _Meter) -> list[_Part]:
        """The first failure ends the other readers within a second, and is the one that is raised."""
        with ThreadPoolExecutor(min(len(queries), self._settings.max_connections), "extract") as threads:
            futures = [threads.submit(self._part, request, query, index, meter) for index, query in enumerate(queries)]
            try:
                for done in as_completed(futures):
                    done.result()
            except BaseException:
                meter.failed.set()
                for future in futures:
                    future.cancel()
                raise
            return [f.result() for f in futures]

    def _queries(self, request: ExtractRequest) -> list[SelectQuery]:
        spec = request.spec
        if request.keys is not None:
            return build_key_selects(spec, self._dialect, request.keys)
        zone = self._settings.timezone
        if request.key_range is not None or request.order_by:
            given = request.key_range
            part = SplitRange(given.column, given.lower, given.upper) if given else None
            return [ordered(build_select(spec, request.range, self._dialect, part, zone), spec, request.order_by, self._dialect)]
        return [build_select(spec, request.range, self._dialect, split, zone) for split in self._splits(request)]

    def _splits(self, request: ExtractRequest) -> Sequence[SplitRange | None]:
        split = request.spec.split
        if split is None:
            return [None]
        bounds = build_bounds(request.spec, split.column, self._dialect)
        lowest, highest = (c[0].as_py() for c in self._small(bounds.sql, bounds.parameters, "UTC").columns)
        return split_ranges(request.spec.column(split.column), lowest, highest, split.parts) or [None]

    def _part(self, request: ExtractRequest, query: SelectQuery, index: int, meter: _Meter) -> _Part:
        spec, settings = request.spec, self._settings
        message = requests.extract_request(spec, query, self._dialect, settings)
        message |= {"out_dir": str(request.out_dir.absolute()), "part": request.first_part + index, "first_cap": self._caps.get(spec.name)}
        message["unstorable"] = self._unstorable
        watch = Watch(
            settings.stall_timeout_seconds, f"Table '{spec.name}'", lambda rows, size: meter.see(index, rows, size), meter.failed.is_set
        )
        answer = self._call(message, watch)
        self._caps.remember(spec.name, answer["cap"])
        return _Part(query, answer)

    def _result(self, request: ExtractRequest, parts: list[_Part]) -> ExtractResult:
        marks = [dt.datetime.fromisoformat(p.answer["high_water"]) for p in parts if p.answer["high_water"]]
        files = tuple(RawFile(**p.answer["file"]) for p in parts)
        cleaned: dict[str, int] = {}
        for part in parts:
            for column, count in part.answer["cleaned"].items():
                cleaned[column] = cleaned.get(column, 0) + count
        return ExtractResult(
            files=files,
            rows=sum(f.rows for f in files),
            query=parts[0].query.sql,
            parameters=parts[0].query.parameters,
            high_water=max(marks, default=None),
            reader=" + ".join(sorted({p.answer["reader"] for p in parts})),
            columns=[
                {"name": c.name, "type": "varchar" if c.extent else str(c.source_logical), "target": c.target_name}
                for c in request.spec.kept_columns
            ],
            cleaned=cleaned,
            bad=tuple(BadRow(**row) for part in parts for row in part.answer["bad"]),
        )

    def _small(self, sql: str, parameters: Sequence[object], session_zone: str) -> pa.Table:
        import pyarrow as pa

        request: Message = {
            "op": "query", "sql": sql, "parameters": messages.dump_values(parameters), "session_zone": session_zone,
            **requests.limits(self._settings),
        }  # fmt: skip
        content = base64.b64decode(self._call(request, self._watch("A query of the source"))["ipc"])
        with pa.ipc.open_stream(content) as stream:
            return stream.read_all()

    def _describe(self, schema: str, table: str | None) -> Any:
        request: Message = {"op": "catalogue", "schema": schema, "table": table, **requests.limits(self._settings)}
        return self._call(request, self._watch("The source's catalogue"))["result"]

    def _watch(self, what: str) -> Watch:
        return Watch(self._settings.stall_timeout_seconds, what)

    def _call(self, request: Message, watch: Watch) -> Message:
        settings = self._settings
        if settings.connection_string is None:
            raise SettingsError(
                "No source is configured.",
                remedy="start the twin (cbm-etl twin start), or set CBM_SOURCE__CONNECTION_STRING, "
                "e.g. DRIVER={Progress OpenEdge 12.2 Driver};HOST=h;PORT=20931;DB=d;UID=u;PWD=p",
            )
        with connection_slot(self._slots, settings.max_connections, settings.connection_wait_seconds):
            secret = {"connection_string": settings.connection_string.get_secret_value()}
            return self._pool.call(request | secret, watch)
