"""Circuit breakers around a load and a verification: a source or warehouse that failed again and again is not asked, until a probe.

Owns what counts as an outage, the probe, the words of a refusal, and saying when a breaker opens and closes. The arithmetic is
`reliability.breaker`, the shared state is the control database. A closed breaker costs one SELECT a load, and no write.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cbm_etl_assets.errors import (
    CbmError,
    CircuitOpenError,
    ConnectionCapError,
    RecordLockError,
    TransientError,
    TransientSourceError,
    TransientWarehouseError,
)
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.reliability import breaker as b
from cbm_etl_assets.reliability.redact import redact

SOURCE, WAREHOUSE = "source", "warehouse"
RESOURCES = (SOURCE, WAREHOUSE)
# A source that is well answers its clock in under a second; one that is not takes its login time-out, 15 s by default.
WAIT_SECONDS, POLL_SECONDS = 15.0, 0.25
_log = logging.getLogger(__name__)


def resource_of(error: BaseException) -> str:
    """Whose outage an error is; "" for none: a record lock comes from a source that answers, our own cap says nothing about it."""
    if isinstance(error, RecordLockError | ConnectionCapError):
        return ""
    if isinstance(error, TransientSourceError):
        return SOURCE
    return WAREHOUSE if isinstance(error, TransientWarehouseError) else ""


def policy_of(platform: Platform) -> b.BreakerPolicy:
    settings = platform.settings.breaker
    return b.BreakerPolicy(settings.failures, settings.cool_down_seconds)


@contextmanager
def guarded(platform: Platform) -> Iterator[None]:
    """Work with source and warehouse. Raises: CircuitOpenError before it begins; the work's own errors, outages counted."""
    circuits = _Circuits(platform, policy_of(platform))
    if not circuits.policy.failures:
        yield
        return
    seen = circuits.admitted()
    try:
        yield
    except TransientError as error:
        circuits.count(error)
        raise
    circuits.forget(seen)


@dataclass(frozen=True)
class _Circuits:
    platform: Platform
    policy: b.BreakerPolicy

    @property
    def now(self) -> dt.datetime:
        return self.platform.now().astimezone(dt.UTC).replace(tzinfo=None)

    def admitted(self) -> Mapping[str, b.Breaker]:
        """The breakers as they were seen, all of them closed by now. Raises: CircuitOpenError."""
        seen = self.platform.control.breakers()
        for resource in RESOURCES:
            if resource in seen and b.admission(seen[resource], self.now) is not b.Admission.PASS:
                self._wait_or_probe(resource, seen[resource])
        return seen

    def count(self, error: TransientError) -> None:
        """One outage more, once an error; whatever goes wrong here, the error itself is the one to tell."""
        resource = resource_of(error)
        if resource and not error.is_counted:
            error.is_counted = True
            try:
                self._fail(resource, error)
            except CbmError as failure:
                _log.warning("the outage of the %s could not be counted: %s", resource, failure.message)

    def forget(self, seen: Mapping[str, b.Breaker]) -> None:
        for resource, before in seen.items():
            if not before.is_clean and before.state is b.BreakerState.CLOSED:
                self.platform.control.change_breaker(resource, b.passed)

    def _fail(self, resource: str, error: CbmError) -> b.Breaker | None:
        words = (type(error).__name__, redact(error.message, self.platform.settings.secrets()))
        now = self.now
        after = self.platform.control.change_breaker(resource, lambda seen: b.failed(seen, words, now, self.policy))
        if after and after.state is b.BreakerState.OPEN:
            said = "opened" if after.opened_utc == now else "stays open"
            _log.warning("circuit breaker of the %s %s after %d failures: %s", resource, said, after.failures, words[1])
        return after

    def _wait_or_probe(self, resource: str, found: b.Breaker) -> None:
        """Returns once the breaker is closed. Who waits for another's probe looks again, for a while."""
        clockwork = self.platform.clockwork
        started = clockwork.monotonic()
        while (what := b.admission(found, self.now)) is not b.Admission.PASS:
            if what is b.Admission.PROBE and self._claimed(resource):
                self._probe(resource)
                return
            if what is b.Admission.REFUSE or clockwork.monotonic() - started >= WAIT_SECONDS:
                raise refusal(found)
            clockwork.sleep(POLL_SECONDS)
            found = self.platform.control.breakers()[resource]

    def _claimed(self, resource: str) -> bool:
        now = self.now
        return self.platform.control.change_breaker(resource, lambda seen: b.probing(seen, now)) is not None

    def _probe(self, resource: str) -> None:
        try:
            _PROBES[resource](self.platform)
        except CbmError as error:
            after = self._fail(resource, error)
            raise refusal(after or b.Breaker(resource)) from None
        self.platform.control.change_breaker(resource, b.passed)
        _log.warning("circuit breaker of the %s closed: it answers again", resource)


def _ask_warehouse(platform: Platform) -> object:
    """Opens it, whatever it knows of such a table."""
    return platform.warehouse.state("_cbm_probe")


_PROBES: Mapping[str, Callable[[Platform], object]] = {SOURCE: lambda platform: platform.source.clock(), WAREHOUSE: _ask_warehouse}


def describe(found: b.Breaker) -> str:
    """One sentence: since when, what comes next, why."""
    counted = f"{found.failures} outage{'s' if found.failures != 1 else ''} in a row"
    if found.state is b.BreakerState.CLOSED:
        return counted if found.failures else "no outage counted"
    if found.state is b.BreakerState.HALF_OPEN:
        then = "another process is asking it just now"
    else:
        then = f"asked again from {_clock(found.next_probe_utc)}"
    last = f"the last at {_clock(found.failed_utc)}: {found.error_class}: {found.error_message.rstrip('.')}"
    return f"{found.state.value} since {_clock(found.opened_utc)}, {then}; {counted}, {last}"


def refusal(found: b.Breaker) -> CircuitOpenError:
    return CircuitOpenError(
        f"The circuit breaker of the {found.resource} is {describe(found)}. Nothing was read or written.",
        remedy=f"it closes by itself once the {found.resource} answers; sooner: cbm-etl breaker reset {found.resource}",
    )


def _clock(stamp: dt.datetime | None) -> str:
    return f"{stamp:%Y-%m-%d %H:%M:%S} UTC" if stamp else "an unknown time"
