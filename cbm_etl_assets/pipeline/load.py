"""Load one table: lock -> seq -> extract -> stage -> apply -> log. The one verb that the CLI and Dagster share.

Retries live here, inside the work, on transient errors only. What a killed run left behind is swept by the next load of
the same table, under its lock.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from cbm_etl_assets.control.port import LogEnd, LogStart, TableLock
from cbm_etl_assets.errors import AccountingError, CbmError, FinalError, LostLockError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.observability.context import bound, mark
from cbm_etl_assets.pipeline import places
from cbm_etl_assets.pipeline.circuits import guarded as guarded_by_circuits
from cbm_etl_assets.pipeline.deletes import confirmed_deletions, guarded
from cbm_etl_assets.pipeline.drift import follow
from cbm_etl_assets.pipeline.extract import Extracted, extract, recheck_since
from cbm_etl_assets.pipeline.keys import key_spec
from cbm_etl_assets.pipeline.plan import LoadPlan, plan_load
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.quarantine import key_hashes
from cbm_etl_assets.pipeline.results import LoadEvent, LoadOptions, LoadResult, Mode, OnEvent, StageSeconds, Status
from cbm_etl_assets.pipeline.stage import StagedRows
from cbm_etl_assets.pipeline.stages import Stage, retry_policy, timeout_seconds
from cbm_etl_assets.pipeline.validate import Validation
from cbm_etl_assets.reliability.deadline import checker, time_limit
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.reliability.retry import RetryEvent, call_with_retry
from cbm_etl_assets.transform.names import is_rename_only
from cbm_etl_assets.warehouse.merging import refuse_what_does_not_fit
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, StagingTable

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
_log = logging.getLogger(__name__)


def load_table(platform: Platform, spec: TableSpec, options: LoadOptions, on_event: OnEvent | None = None) -> LoadResult:
    """Load one table. Raises the typed errors of `errors` (BusyError, LoadError...), after the log row is closed."""
    run_id = options.run_id or str(uuid.uuid4())
    wait, ttl = platform.settings.load.table_wait_seconds, platform.settings.load.lock_ttl_seconds
    platform.control.upgrade()
    fields = bound(run_id=run_id, table=spec.name, layer="ods")
    with fields, platform.control.lock(spec.name, run_id, wait_seconds=wait, ttl_seconds=ttl) as lock:
        return _Load(platform, spec, options, run_id, lock, on_event).run()


def _import_staging(spec: TableSpec) -> None:
    """Staging's libraries (0.2 to 0.6 s of imports) come in while the reader process fetches."""
    import pyarrow.parquet  # noqa: F401

    if not is_rename_only(spec):
        import cbm_etl_assets.transform.rows
    if spec.rules:
        import cbm_etl_assets.pipeline.gate  # noqa: F401


@dataclass
class _Load:
    """One load under its table's lock."""

    platform: Platform
    spec: TableSpec
    options: LoadOptions
    run_id: str
    lock: TableLock
    on_event: OnEvent | None
    attempts: int = 1
    seconds: StageSeconds = field(default_factory=StageSeconds)
    outcome: Outcome = field(default_factory=Outcome)
    plan: LoadPlan | None = None
    retried: tuple[str, ...] = ()

    @cached_property
    def validation(self) -> Validation:
        """The rules as the spec declares them, before the source's drift is followed."""
        return Validation(self.platform, self.spec.rules, self.options, self.run_id, self.spec)

    def run(self) -> LoadResult:
        control, start = self.platform.control, self.platform.now()
        mode = self.options.mode.value if not (self.options.partitions or self.options.replay) else Mode.PARTITION.value
        log_id = control.start_log(LogStart(self.run_id, self.spec.name, mode, self._partition_text(), start))
        try:
            with guarded_by_circuits(self.platform):
                result = self._load()
        except BaseException as error:
            control.end_log(log_id, end := self._failure(error))
            _log.error("load failed: %s", end.error_message, extra={"mode": end.mode, "error_class": end.error_class})
            self._clear_staging(error)
            self.validation.finish(error)
            raise
        control.end_log(log_id, self._success(result))
        self._heal(result)
        control.set_watermark(self.spec.name, result.watermark, result.seq, self.run_id)
        measured = {"rows_per_second": result.rows_per_second, "bytes": float(result.bytes), "purged": float(self._purge(result))}
        control.add_metrics(self.run_id, self.spec.name, measured)
        self._tell("done", result.outcome.read, result.bytes)
        mark(layer="ods")
        _log.info("loaded", extra={"mode": result.mode.value, "seq": result.seq, "rows": result.outcome.read, "bytes": result.bytes,
                                   "seconds": round(result.seconds.total, 3), "attempts": result.attempts})  # fmt: skip
        return self.validation.judged(result)

    def _purge(self, result: LoadResult) -> int:
        """Old tombstones go after a complete read, where the spec says so; history keeps their versions."""
        after = self.spec.deletes.purge_after
        if after is None or result.mode not in (Mode.FULL, Mode.SWEEP):
            return 0
        return self.platform.warehouse.purge(self.spec, self.platform.now().replace(tzinfo=None) - after)

    def _clear_staging(self, error: BaseException) -> None:
        """A failure in words leaves no staging table. Where the warehouse itself fails, the next load sweeps, as it does after
        a lost lock: the staging tables may be those of the run that took the table over."""
        if isinstance(error, FinalError) and not (isinstance(error, LostLockError) or self.lock.lost):
            with suppress(CbmError):  # the first error is the one to tell
                self.platform.warehouse.drop_staging(self.spec.name)

    def _load(self) -> LoadResult:
        self.platform.lake.recover(self.spec.name)  # temporary files of a killed run; acquire sweeps its staging tables
        validation = self.validation
        state = self._retried(lambda: self.platform.warehouse.acquire(self.spec.name), Stage.LOAD)
        self.spec = self._retried(lambda: follow(self.platform, self.spec, self.run_id, is_first=not state.last_applied_seq))
        refuse_what_does_not_fit(self.spec, self.platform.warehouse.capabilities, self.platform.warehouse.name)
        again = places.read(self.platform.settings.home, self.spec.name).again
        plan = plan_load(self.spec, places.complete(self.options, again), state, self._retried(self.platform.source.clock))
        plan = self.plan = replace(plan, after_seq=state.last_applied_seq)
        validation.plan_is(plan, self.spec)
        extracted = self._retried(lambda: self._extract(plan))
        manifest = extracted.manifest
        staging = StagingTable(self.spec.name, f"{self.spec.name}__{plan.seq}", plan.seq)
        with ExitStack() as until_merged:  # staging may be the raw files themselves
            staged = self._retried(lambda: self._stage(staging, extracted, until_merged), Stage.TRANSFORM)
            extracted = validation.without_rejected(extracted)
            self._account(extracted, staged)
            self._retried(lambda: validation.staged(staging.name, extracted.read), Stage.VALIDATE)
            deletions = self._retried(lambda: self._deletions(staging, plan, extracted))
            self._quarantine(plan, extracted)
            outcome = self._retried(lambda: self._apply(staging, plan, manifest, deletions), Stage.LOAD)
        self.outcome = replace(outcome, read=outcome.read + len(extracted.bad), quarantined=len(extracted.bad))
        return LoadResult(
            table=self.spec.name, status=Status.SUCCESS, mode=plan.mode, run_id=self.run_id, seq=plan.seq, partitions=plan.partitions,
            outcome=self.outcome, seconds=self.seconds, bytes=manifest.bytes, files=len(manifest.files), attempts=self.attempts,
            t0=plan.t0, high_water=manifest.high_water, watermark=plan.watermark_now(manifest.high_water),
            raw_path=f"raw/{self.spec.name}/{plan.seq:012d}", query=manifest.query, cleaned=extracted.cleaned,
            preview_columns=tuple(name for name, _ in self._read_spec.target_columns), preview_rows=tuple(staged.preview),
        )  # fmt: skip

    def _account(self, extracted: Extracted, staged: StagedRows) -> None:
        """Invariant 7, the half the warehouse cannot see: what the source delivered is staged or in quarantine."""
        if extracted.read != staged.rows + len(extracted.bad):
            raise AccountingError(
                f"Table '{self.spec.name}': {extracted.read} rows read, {staged.rows} staged and {len(extracted.bad)} quarantined."
            )

    def _quarantine(self, plan: LoadPlan, extracted: Extracted) -> None:
        """Before the merge: a bad row must not be forgotten behind the watermark."""
        self.retried = extracted.retried
        if plan.mode is not Mode.SWEEP:
            self.platform.control.quarantine_add(self.spec.name, extracted.bad, run_id=self.run_id, seq=plan.seq)

    def _heal(self, result: LoadResult) -> None:
        """After the merge: a full load has seen every row, any other the keys it read again by name."""
        if result.mode is Mode.FULL:
            self.platform.control.quarantine_heal(self.spec.name, result.seq)
            places.settle(self.platform.settings.home, self.spec.name)
        elif self.retried:
            self.platform.control.quarantine_heal(self.spec.name, result.seq, self.retried)

    @cached_property
    def _read_spec(self) -> TableSpec:
        """What is read: everything, or the key columns only for a sweep."""
        return key_spec(self.spec) if self.plan and self.plan.mode is Mode.SWEEP else self.spec

    def _extract(self, plan: LoadPlan) -> Extracted:
        mark(layer="raw")
        clock = time.perf_counter()
        threading.Thread(target=_import_staging, args=(self._read_spec,), daemon=True).start()
        try:
            return extract(self.platform, self._read_spec, plan, self.run_id, self._counter("extract"))
        finally:
            self.seconds = replace(self.seconds, extract=self.seconds.extract + time.perf_counter() - clock)

    def _stage(self, staging: StagingTable, extracted: Extracted, until_merged: ExitStack) -> StagedRows:
        mark(layer="stg")
        clock = time.perf_counter()
        transform = None if is_rename_only(self._read_spec) else self.platform.transform(self._read_spec)
        staged = StagedRows(
            self._read_spec, transform, self.platform.lake, extracted.manifest,
            on_rows=self._counter("stage"), gate=self.validation.new_gate(),
        )  # fmt: skip
        try:
            staged.stage(self.platform.warehouse, staging, has_bad=bool(extracted.bad), until_merged=until_merged)
        finally:
            spent = time.perf_counter() - clock
            self.seconds = replace(
                self.seconds, transform=self.seconds.transform + staged.seconds, load=self.seconds.load + spent - staged.seconds
            )
        return staged

    def _deletions(self, staging: StagingTable, plan: LoadPlan, extracted: Extracted) -> pa.Table | None:
        approved = self.options.allow_mass_delete
        if plan.mode not in (Mode.FULL, Mode.SWEEP):
            unguarded = approved or plan.mode is Mode.REPAIR  # a repair asks its own guard before it loads
            return extracted.gone if unguarded else guarded(self.platform, self.spec, staging, extracted.read, extracted.gone)
        verb = f"sweep {self.spec.name}" if plan.mode is Mode.SWEEP else f"run {self.spec.name} --mode full"
        kept = key_hashes(extracted.bad)
        return confirmed_deletions(self.platform, self.spec, staging, extracted.read, None if approved else verb, kept)

    def _apply(self, staging: StagingTable, plan: LoadPlan, manifest: Manifest, deletions: pa.Table | None) -> Outcome:
        mark(layer="ods")
        if self.lock.lost:
            raise LostLockError(f"Table '{self.spec.name}': another run took it over; nothing was written.", remedy="its result stands")
        clock = time.perf_counter()
        self._tell("merge", manifest.rows, 0)
        try:
            return self.platform.warehouse.apply(ApplyRequest(
                spec=self.spec, staging=staging, mode=plan.mode.value, seq=plan.seq, fencing_token=plan.fencing_token, run_id=self.run_id,
                t0=plan.t0, watermark=plan.watermark_after(manifest.high_water), hash_version=manifest.hash_version,
                hash_columns=manifest.hash_columns, deletions=deletions,
                recheck_since=recheck_since(self.platform, self.spec, plan), force=self.options.force,
                misfiled=self.options.misfiled,
            ))  # fmt: skip
        finally:
            self.seconds = replace(self.seconds, merge=self.seconds.merge + time.perf_counter() - clock)

    # -- retries, events, log rows ----------------------------------------------------------------------------------

    def _retried(self, work: Callable[[], T], stage: Stage = Stage.EXTRACT) -> T:
        """`work` until it succeeds, within the stage's retries; each attempt within its time-out."""
        settings = self.platform.settings
        seconds = timeout_seconds(settings, self.spec, stage)

        def attempt() -> T:
            with time_limit(stage.value, seconds):
                return work()

        return call_with_retry(attempt, retry_policy(settings, self.spec, stage), on_retry=self._count, clockwork=self.platform.clockwork)

    def _count(self, event: RetryEvent) -> None:
        self.attempts += 1
        said = (self.spec.name, event.attempt, event.delay_seconds, event.error.message)
        _log.warning("table %s: attempt %d failed, next in %.1f s: %s", *said)
        self._tell("retry", event.attempt, 0)

    def _counter(self, stage: str) -> Callable[[int, int], None]:
        """Every batch passes here, so it is also where a stage notices that its time is up."""
        in_time = checker()

        def count(rows: int, size: int) -> None:
            in_time()
            self._tell(stage, rows, size)

        return count

    def _tell(self, stage: str, rows: int, size: int) -> None:
        if self.on_event:
            self.on_event(LoadEvent(self.spec.name, stage, rows, size))

    def _partition_text(self) -> str:
        keys = ("quarantine",) if self.options.replay else self.options.partitions
        return keys[0] if len(keys) == 1 else f"{keys[0]}..{keys[-1]}" if keys else ""

    def _success(self, result: LoadResult) -> LogEnd:
        return replace(self._end("success"), rows=asdict(result.outcome), bytes=result.bytes, high_water=result.high_water, seq=result.seq)

    def _failure(self, error: BaseException) -> LogEnd:
        seq = self.plan.seq if self.plan else 0
        message = error.message if isinstance(error, CbmError) else str(error)
        return replace(self._end("failed"), error_class=type(error).__name__, error_message=redact(message), seq=seq)

    def _end(self, status: str) -> LogEnd:
        s = self.seconds
        return LogEnd(
            status=status, mode=self.plan.mode.value if self.plan else "", ended_at_utc=self.platform.now(), extract_seconds=s.extract,
            transform_seconds=s.transform, load_seconds=s.load, merge_seconds=s.merge, attempts=self.attempts,
        )  # fmt: skip
