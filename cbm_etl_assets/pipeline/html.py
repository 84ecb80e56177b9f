"""Self-contained HTML pages: the template environment they share, and how a page gets into its folder.

Owns loading, escaping, number formats and the write. What a page shows is its own module's.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> Template:
    """`name` without `.html.j2`."""
    return _environment().get_template(f"{name}.html.j2")


def write_page(path: Path, text: str) -> Path:
    """Aside, then renamed: a reader sees a whole page or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:,}".replace(",", "\u202f")
    environment.filters["percent"] = lambda part, whole: f"{100 * part / whole:.1f}".removesuffix(".0") if whole else "0"
    environment.filters["seconds"] = lambda value: f"{value:.2f}" if value < 10 else f"{value:.0f}"
    return environment
