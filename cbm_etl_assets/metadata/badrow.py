"""BadRow: a row of the source that could not be loaded, as it travels from the reader to the quarantine.

Plain data, light on purpose: the reader process, the pipeline and the control database all know it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BadRow:
    """No masked value anywhere, in no field.

    `key_hash` is 64 hexadecimal digits: of the key where it is known, else of the row's content. `can_retry`: the key can be
    read again by name. `key_json` maps the key's source columns to their text, `payload` every column.
    """

    key_hash: str
    key_json: str
    can_retry: bool
    column: str
    error_class: str
    message: str
    payload: str
