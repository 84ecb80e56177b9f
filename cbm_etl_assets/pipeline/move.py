"""Moving house: one table from one warehouse to another, as it stands, so that the next incremental goes on where the old one stood.

Owns the order: under the table's lock the two are held against each other, what differs is staged in the target and put in
place in one transaction with the state, and both are read back and compared before it is called copied. A copy that ends early
has changed nothing; the next one begins with the tables that are not equal yet.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.pipeline import prints
from cbm_etl_assets.pipeline.prints import Holding
from cbm_etl_assets.reliability.ahead import ReadAhead
from cbm_etl_assets.reliability.retry import Clockwork, RetryPolicy, call_with_retry
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse.merging import refuse_what_does_not_fit
from cbm_etl_assets.warehouse.moving import cargo_spec, refuse_unstorable
from cbm_etl_assets.warehouse.port import Part, StagingTable, TableState, Transfer, Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from cbm_etl_assets.metadata.spec import TableSpec


class MoveStatus(StrEnum):
    COPIED = "copied"
    PRESENT = "present"  # equal already
    EMPTY = "empty"  # never loaded in the warehouse it comes from


@dataclass(frozen=True)
class Moved:
    """One table's answer; `rows` by part, as read back from the target and found equal."""

    table: str
    status: MoveStatus
    rows: dict[str, int] = field(default_factory=dict)
    columns: int = 0
    seq: int = 0
    watermark: dt.datetime | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class House:
    """Both warehouses, and the control database whose locks every load takes."""

    settings: Settings
    control: Control
    old: Warehouse
    new: Warehouse
    set_back: bool = False
    clockwork: Clockwork = field(default_factory=Clockwork)
    clock: Callable[[], float] = time.perf_counter


def move_table(house: House, spec: TableSpec) -> Moved:
    """Raises: BusyError, WarehouseError (the target is ahead; not equal afterwards), TransientWarehouseError."""
    load, warehouse = house.settings.load, house.settings.warehouse
    owner = f"copy-{uuid.uuid4()}"
    policy = RetryPolicy(retries=warehouse.retries, base_seconds=warehouse.retry_delay_seconds)
    house.control.upgrade()
    with house.control.lock(spec.name, owner, wait_seconds=load.table_wait_seconds, ttl_seconds=load.lock_ttl_seconds) as lock:
        started = house.clock()

        def attempt() -> Moved:
            return _Move(house, spec, lambda: lock.lost).run()

        moved = call_with_retry(attempt, policy, clockwork=house.clockwork)
        if moved.status is not MoveStatus.EMPTY:
            house.control.set_watermark(spec.name, moved.watermark, moved.seq, owner)
        return replace(moved, seconds=house.clock() - started)


@dataclass
class _Move:
    house: House
    spec: TableSpec
    is_lost: Callable[[], bool]

    def run(self) -> Moved:
        old = prints.holding(self.house.old, self.spec)
        if old.spec is None:
            return Moved(self.spec.name, MoveStatus.EMPTY)
        new = prints.holding(self.house.new, self.spec, old.spec)
        if not prints.differences(old, new):
            return self._moved(MoveStatus.PRESENT, new)
        if not self.house.set_back:
            self._refuse_ahead(old, new)
        self._copy(old.spec, old.state)
        found = prints.holding(self.house.new, self.spec, old.spec)
        if wrong := prints.differences(old, found):
            raise WarehouseError(
                f"Table '{self.spec.name}': after the copy {self.house.new.name} is not what {self.house.old.name} is: {'; '.join(wrong)}.",
                remedy="copy it again; nothing may load this table meanwhile, in any home",
            )
        return self._moved(MoveStatus.COPIED, found)

    def _moved(self, status: MoveStatus, held: Holding) -> Moved:
        rows = {part.value: one.rows for part, one in held.prints.items()}
        columns = len(held.prints[Part.CURRENT].columns) or len(held.spec.target_columns if held.spec else ())
        return Moved(self.spec.name, status, rows, columns, held.state.last_applied_seq, held.state.watermark)

    def _refuse_ahead(self, old: Holding, new: Holding) -> None:
        """A target that was loaded since must not be set back unseen."""
        ahead = []
        if new.state.last_applied_seq > old.state.last_applied_seq:
            ahead.append(f"last applied seq {new.state.last_applied_seq}, not {old.state.last_applied_seq}")
        for what, before, after in (
            ("watermark", old.state.watermark, new.state.watermark), ("latest read", old.newest_read, new.newest_read),
        ):  # fmt: skip
            if after and (not before or after > before):
                ahead.append(f"{what} {after}, not {before}")
        if ahead:
            raise WarehouseError(
                f"Table '{self.spec.name}': {self.house.new.name} is ahead of {self.house.old.name}: {'; '.join(ahead)}.",
                remedy=f"to set it back all the same: cbm-etl warehouse copy {self.spec.name} --replace ...",
            )

    def _copy(self, held: TableSpec, state: TableState) -> None:
        new = self.house.new
        refuse_what_does_not_fit(held, new.capabilities, new.name)
        issued = new.acquire(self.spec.name)
        staged = {}
        for number, part in enumerate(prints.parts(held)):
            # Names of the load's own pattern: a copy that is killed is swept by whoever takes the table next.
            staging = StagingTable(self.spec.name, f"{self.spec.name}__{issued.last_issued_seq}{number}", issued.last_issued_seq)
            self._stage(held, part, staging)
            staged[part] = staging
        if self.is_lost():
            raise WarehouseError(f"Table '{self.spec.name}': the lock was lost; nothing was changed.", remedy="copy the table again")
        prints.movable(new).take_over(Transfer(held, state, issued.fencing_token, staged))

    def _stage(self, held: TableSpec, part: Part, staging: StagingTable) -> None:
        laid_out, unstorable = cargo_spec(held, part), self.house.new.capabilities.unstorable

        def checked() -> Iterator[pa.RecordBatch]:
            for batch in prints.cargo(self.house.old, held, part):
                refuse_unstorable(batch, laid_out, unstorable)
                yield batch

        with ReadAhead(checked) as batches:
            self.house.new.load_staging(laid_out, staging, batches)
