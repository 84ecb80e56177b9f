"""The manifest as bytes: written with a checksum of itself, so that a flipped byte in it is noticed like one in the data.

Owns the text form of metadata.manifest.Manifest. Touches no file.
"""

from __future__ import annotations

import hashlib
import re

from pydantic import ValidationError

from cbm_etl_assets.errors import CorruptRawFileError
from cbm_etl_assets.metadata.manifest import Manifest

_SEAL = re.compile(rb',"checksum":"(?P<digest>[0-9a-f]{64})"}\n$')


def seal(manifest: Manifest) -> bytes:
    open_text = manifest.model_copy(update={"checksum": ""}).model_dump_json().encode()
    body = open_text[: open_text.rindex(b',"checksum":')]
    return body + b',"checksum":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def unseal(content: bytes, where: str) -> Manifest:
    """Raises: CorruptRawFileError naming `where` and what differs."""
    found = _SEAL.search(content)
    if found is None:
        raise _corrupt(where, f"{len(content)} bytes that do not end with a checksum: it is cut or foreign")
    digest = hashlib.sha256(content[: found.start()]).hexdigest()
    if digest != found["digest"].decode():
        raise _corrupt(where, f"SHA-256 is {digest}, it says {found['digest'].decode()}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise _corrupt(where, f"{error.error_count()} fields this version does not understand") from None


def _corrupt(where: str, what: str) -> CorruptRawFileError:
    return CorruptRawFileError(f"Manifest {where} is corrupt: {what}.", remedy="remove that folder; the next load reads the source again")
