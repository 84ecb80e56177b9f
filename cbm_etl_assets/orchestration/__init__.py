"""Orchestration: table specs to Dagster definitions. The only room, with `definitions`, that imports dagster.

Owns assets, jobs, schedules, resources and in-process launches; the work itself is `pipeline.load`.
`from __future__ import annotations` is banned in this package: it breaks the annotated `context` of an op.
"""
