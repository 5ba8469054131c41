"""How does a dataclass of options become a command? Flags, help and TOML, from its fields."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from steep.args import recipe
from steep.config import from_mapping, read_toml
from steep.console import say
from steep.errors import SteepError

NOTHING_LEFT = "Nothing half-written is left."


def command(
    app: typer.Typer, kind: type[Any], stopped: str = NOTHING_LEFT
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that makes `function(..., args: kind)` a command of `app`, under its own name.

    Its other parameters stay as they are; `args` is replaced by one flag for each field of
    `kind`, and `--config` is added. `stopped` is what to say after Ctrl-C.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for n, p in inspect.signature(function).parameters.items() if n != "args"]
        options = list(_flags(kind))
        config = _config_flag(kind, {parameter.name for parameter in own})

        def call(**values: Any) -> None:
            given = {option.name: values.pop(option.name) for option in options}
            values.pop("config")

            def run() -> None:
                function(**values, args=from_mapping(kind, given, "command line"))

            with_errors(run, stopped)

        call.__doc__ = function.__doc__
        call.__signature__ = inspect.Signature([*own, config, *options])  # type: ignore[attr-defined]
        app.command(function.__name__.replace("_", "-"))(call)
        return function

    return decorate


def with_errors(action: Callable[[], None], stopped: str = NOTHING_LEFT) -> None:
    """Run `action`; a user's mistake ends with one message and code 2, Ctrl-C with code 130."""
    try:
        action()
    except SteepError as error:
        say(f"Error: {error}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt as interrupt:
        say(f"Stopped. {str(interrupt) or stopped}")
        raise typer.Exit(130) from None


def _flags(kind: type[Any]) -> Iterator[inspect.Parameter]:
    """A keyword parameter for each field, those of `kind` itself before the inherited ones."""
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for owner in filter(dataclasses.is_dataclass, kind.__mro__):
        panel = None if owner is kind else (owner.__doc__ or "").partition("\n")[0].rstrip(".")
        for name in inspect.get_annotations(owner):
            yield _parameter(fields[name], hints[name], panel)


def _parameter(field: dataclasses.Field[Any], hint: Any, panel: str | None) -> inspect.Parameter:
    flag = typer.Option(
        f"--{field.name.replace('_', '-')}",
        help=field.metadata["help"],
        show_default=field.default not in (None, ()),
        callback=_use_recipe if field.name == "recipe" else None,
        is_eager=field.name == "recipe",
        rich_help_panel=panel,
    )
    default: Any = field.default
    if get_origin(hint) is tuple:  # repeatable; typer knows lists only
        default, hint = list(default), list[get_args(hint)[0]]  # type: ignore[misc]
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, flag],
    )


def _use_recipe(context: typer.Context, name: str | None) -> str | None:
    """`--recipe NAME`: its values become defaults below those of `--config`."""

    def read() -> None:
        if name is not None:
            context.default_map = {**recipe(name), **(context.default_map or {})}

    with_errors(read)
    return name


def _config_flag(kind: type[Any], own: set[str]) -> inspect.Parameter:
    """`--config FILE.toml`: its values become the defaults of this call, so that flags win."""

    def use(context: typer.Context, path: Path | None) -> Path | None:
        def read() -> None:
            if path is not None and context.info_name is not None:
                values = read_toml(path, context.info_name)
                options = {name: value for name, value in values.items() if name not in own}
                from_mapping(kind, options, f"{path}: [{context.info_name}]")
                context.default_map = {**(context.default_map or {}), **values}

        with_errors(read)
        return path

    flag = typer.Option(
        "--config",
        callback=use,
        is_eager=True,
        help="TOML file with a table named like the command; flags win over it.",
    )
    return inspect.Parameter(
        "config",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Path | None, flag],
    )
