"""`python -m nox -s demo|test|lint|bench|ui|env`, for machines without make: the tasks of .ci/tasks.py, in its environment."""

from __future__ import annotations

import sys

import nox

nox.options.sessions = ["test"]


def _task(session: nox.Session, name: str) -> None:
    session.run(sys.executable, ".ci/tasks.py", name, *session.posargs, external=True)


for _name in ("env", "demo", "test", "lint", "bench", "ui"):
    nox.session(lambda session, task=_name: _task(session, task), name=_name, venv_backend="none")
