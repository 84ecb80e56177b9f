"""Every error the platform raises on purpose.

    CbmError
    ├── ConfigurationError            exit 2   the operator must change a setting, a spec or the machine
    │   ├── SettingsError                      a CBM_* variable or an overlay file
    │   ├── SpecError                          a table YAML
    │   ├── UnknownTableError                  a table name nobody declared
    │   ├── DumpFormatError                    a .df or .d file
    │   └── MissingDependencyError             an ODBC driver, a system library, an optional extra
    ├── BusyError                     exit 3   somebody else holds the table
    └── LoadError                     exit 1   a table failed
        ├── TransientError                     may succeed when tried again
        │   ├── TransientSourceError           link loss, stall, login refused for now, the server's connection cap
        │   │   ├── RecordLockError            a record is held by another session of the source
        │   │   └── ConnectionCapError         all of our own connections to the source are in use
        │   ├── TransientWarehouseError        file locked, deadlock, lock time-out
        │   ├── TransientControlError          control database busy or out of reach for now
        │   └── CircuitOpenError               source or warehouse failed again and again: not asked until the next probe
        └── FinalError                         will fail again until somebody acts
            ├── StageTimeoutError              a stage took longer than its time-out: it would again
            ├── SourceError                    the source refused
            │   ├── SqlWidthError              a stored value is wider than its SQL width
            │   ├── TextTooLongError           a value is longer than the reader's declared buffer
            │   └── SourceSchemaError          a table or column the spec names is not in the source
            ├── ControlError                   the control database refused or is damaged
            ├── LakeError
            │   └── CorruptRawFileError        checksum, size or footer does not match the manifest
            ├── WarehouseError
            │   ├── DamagedWarehouseError      refuse, overwrite nothing
            │   └── LostLockError              the fencing token moved on: this load may not commit
            └── DataError
                ├── DuplicateKeyError          the declared key is not a key
                ├── NullKeyError
                ├── ConversionError            a value does not fit the declared type
                ├── AccountingError            read != the sum of the outcomes
                ├── TooManyBadRowsError        more bad rows than the table's quarantine takes
                ├── MassDeleteError            more rows vanished than the table's guard allows
                └── QualityError               a blocking rule of `quality:` is broken: nothing was merged

Retryable or final is the TYPE. A message says what, which value, the known values, the remedy; it never
holds a secret (`redact` in `settings` is applied where foreign text enters a message).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class CbmError(Exception):
    """Base of all expected errors. `exit_code` is what the CLI ends with; `remedy` is the first thing to try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message if not remedy else f"{message}\n  -> {remedy}")


class ConfigurationError(CbmError):
    exit_code: ClassVar[int] = 2


class SettingsError(ConfigurationError):
    pass


class SpecError(ConfigurationError):
    pass


class UnknownTableError(ConfigurationError):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        names = sorted(known)
        listed = ", ".join(names) if names else "none: the tables folder is empty"
        super().__init__(f"Unknown table '{name}'. Known: {listed}.", remedy="cbm-etl tables add writes a new spec")


class DumpFormatError(ConfigurationError):
    pass


class MissingDependencyError(ConfigurationError):
    pass


class BusyError(CbmError):
    exit_code: ClassVar[int] = 3


class LoadError(CbmError):
    pass


class TransientError(LoadError):
    """`is_counted`: the circuit breaker knows of it; work around the failed work must not count it again."""

    is_counted = False


class TransientSourceError(TransientError):
    pass


class RecordLockError(TransientSourceError):
    pass


class ConnectionCapError(TransientSourceError):
    pass


class TransientWarehouseError(TransientError):
    pass


class TransientControlError(TransientError):
    pass


class CircuitOpenError(TransientError):
    pass


class FinalError(LoadError):
    pass


class StageTimeoutError(FinalError):
    """A stage of a load took longer than its time-out."""


class ControlError(FinalError):
    pass


class SourceError(FinalError):
    pass


class SqlWidthError(SourceError):
    """Source: OpenEdge native error -210012, SQLSTATE 22P00."""

    def __init__(self, message: str, *, table: str = "", column: str = "", remedy: str = "") -> None:
        self.table = table
        self.column = column
        super().__init__(message, remedy=remedy)


class TextTooLongError(SourceError):
    pass


class SourceSchemaError(SourceError):
    pass


class LakeError(FinalError):
    pass


class CorruptRawFileError(LakeError):
    pass


class WarehouseError(FinalError):
    pass


class DamagedWarehouseError(WarehouseError):
    pass


class LostLockError(WarehouseError):
    pass


class DataError(FinalError):
    pass


class DuplicateKeyError(DataError):
    pass


class NullKeyError(DataError):
    pass


class ConversionError(DataError):
    pass


class AccountingError(DataError):
    pass


class TooManyBadRowsError(DataError):
    pass


class MassDeleteError(DataError):
    pass


class QualityError(DataError):
    """`rules`: names of the blocking rules that are broken."""

    def __init__(self, message: str, *, rules: Iterable[str] = (), remedy: str = "") -> None:
        self.rules = tuple(rules)
        super().__init__(message, remedy=remedy)
