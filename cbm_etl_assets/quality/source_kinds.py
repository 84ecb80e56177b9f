"""Kinds of rules on the source, evaluated before anything is read: a blocking one saves the extraction.

Owns their names; the probes themselves are the preflight's, handed in with the `Look`.
"""

from cbm_etl_assets.metadata.rulekinds import Layer, Scope, rule
from cbm_etl_assets.quality.look import Finding, Look

SHOWN = 5


def _probed(look: Look, name: str) -> Finding:
    is_good, what = look.probe(name)
    return Finding(checked=1, failed=int(not is_good), message=what)


@rule("source_reachable", scope=Scope.TABLE, layers=(Layer.SOURCE,))
def source_reachable(look: Look) -> Finding:
    """The source answers a first query."""
    return _probed(look, "source")


@rule("catalogue_equals_spec", scope=Scope.TABLE, layers=(Layer.SOURCE,))
def catalogue_equals_spec(look: Look) -> Finding:
    """The source's catalogue declares what the spec says."""
    return _probed(look, "catalogue")


@rule("key_unique", scope=Scope.TABLE, layers=(Layer.SOURCE,))
def key_unique(look: Look) -> Finding:
    """The key is unique and never NULL at the source (it reads the key's index there, once a load)."""
    return _probed(look, "key")


@rule("column_drift", scope=Scope.TABLE, layers=(Layer.SOURCE,))
def column_drift(look: Look) -> Finding:
    """No change of the source's columns waits for a decision in the spec."""
    waiting = [row for row in look.control.drift_rows(look.spec.name) if row.resolved_utc is None]
    said = "; ".join(f"{row.kind} {row.column} ({row.consequence})" for row in waiting[:SHOWN])
    return Finding(checked=len(look.spec.kept_columns), failed=len(waiting), message=said or "none waits")
