"""twin"""

import typer

app = typer.Typer(no_args_is_help=True, help="x")


@app.callback()
def _root() -> None:
    pass
