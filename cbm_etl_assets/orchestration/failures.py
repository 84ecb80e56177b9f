"""What a failed step may leave in the event log: the reason and the remedy, never a secret nor a foreign traceback's values.

Retries live inside the work, so every failure here is final for the run (allow_retries=False): with the in-process
executor a Dagster retry outlives a termination and turns the run green again.
"""

import re
import traceback

import dagster as dg

from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.reliability import redact as patterns
from cbm_etl_assets.reliability.redact import HIDDEN
from cbm_etl_assets.settings import Settings

_VALUES = re.compile(r"(?i)(?:^|;)\s*(?:pwd|password)\s*=\s*(\{[^}]*\}|[^;]*)")


def redact(text: str, settings: Settings) -> str:
    """The text without any secret of the settings, whole or by its password alone, nor anything that looks like one."""
    for secret in settings.secrets():
        parts = [secret, *(value.strip("{} ") for value in _VALUES.findall(secret))]
        for part in sorted(filter(None, parts), key=len, reverse=True):
            text = text.replace(part, HIDDEN)
    return patterns.redact(text)


def as_failure(error: Exception, table: str, settings: Settings) -> dg.Failure:
    """Raise it `from None`: Dagster stores the chained exception's text otherwise."""
    if isinstance(error, CbmError):
        return dg.Failure(
            description=redact(str(error), settings),
            metadata={
                "error_class": type(error).__name__,
                "remedy": redact(error.remedy, settings) or "none known",
                "table": table,
                "exit_code": type(error).exit_code,
            },
            allow_retries=False,
        )
    trace = redact("".join(traceback.format_exception(error)), settings)
    return dg.Failure(
        description=f"Unexpected {type(error).__name__} while loading '{table}': {redact(str(error), settings)}",
        metadata={"error_class": type(error).__name__, "table": table, "exit_code": 1, "traceback": dg.MetadataValue.text(trace)},
        allow_retries=False,
    )
