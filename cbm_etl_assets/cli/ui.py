"""ui"""

import typer


def ui() -> None:
    pass


def register(app: typer.Typer) -> None:
    app.command()(ui)
