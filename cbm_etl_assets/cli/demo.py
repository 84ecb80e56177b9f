"""demo"""

import typer


def demo() -> None:
    pass


def register(app: typer.Typer) -> None:
    app.command()(demo)
