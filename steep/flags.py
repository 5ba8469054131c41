"""How does a composition of options become a command? Flags and help, from its fields.

The first screen of help shows the common options; `--help-all` shows all, under the headings of
their parts.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperOption

from steep import launch
from steep.args.chosen import options_for
from steep.console import quiet, say
from steep.errors import SteepError, number_of, on_signals, refuse_launchers, stop
from steep.options import Option, as_mapping, options_of
from steep.toml_files import read_toml
from steep.wording import brief

NOTHING_LEFT = "Nothing half-written is left."
FIRST = ("text", "label", "test", "model")  # what is asked for before the output
Command = Callable[..., None]


def command(
    app: typer.Typer, kind: type[Any], stopped: str = NOTHING_LEFT, panel: str | None = None
) -> Callable[[Command], Command]:
    """A decorator that makes `function(..., **options)` a command of `app`, under its own name.

    Its parameters stay as they are; `options` become a flag for each option of `kind`. The function
    gets those that were given, and `config`, the TOML file, where there is one. `stopped` is what
    to say after Ctrl-C, `panel` the heading that the command is listed under.
    """

    def decorate(function: Command) -> Command:
        own = [
            p for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD
        ]
        flags = [_parameter(option) for option in options_of(kind)]
        first = [flag for flag in flags if flag.name in FIRST]
        others = [flag for flag in flags if flag.name not in FIRST]
        may_be_several = any(flag.name == "devices" for flag in flags)

        def call(context: typer.Context, **values: Any) -> None:
            given = {f.name: values[f.name] for f in flags if _is_given(context, f.name)}
            inputs = {parameter.name: values[parameter.name] for parameter in own}
            config = {"config": values["config"]} if values["config"] is not None else {}

            def act() -> None:
                if config and inputs.get("out") is not None:
                    from steep.places import check_config  # only now: it imports numpy

                    check_config(config["config"], inputs["out"])
                function(**inputs, **given, **config)

            def run() -> None:
                several(act, _devices(kind, function.__name__, given | config))

            with_errors(run if may_be_several else act, stopped, may_be_several)

        call.__doc__ = function.__doc__
        shown = [*first, *own, *others, _config(own), _help_all()]
        keywords = [flag.replace(kind=inspect.Parameter.KEYWORD_ONLY) for flag in shown]
        call.__signature__ = inspect.Signature([CONTEXT, *keywords])  # type: ignore[attr-defined]
        app.command(function.__name__.replace("_", "-"), rich_help_panel=panel)(call)
        return function

    return decorate


CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


def with_errors(
    action: Callable[[], None], stopped: str = NOTHING_LEFT, several: bool = False
) -> None:
    """Run `action`; a user's mistake, and what the system refuses, end with a message and code 2.

    Ctrl-C ends with code 130, SIGTERM with 143, SIGHUP with 129. What a launcher started beside
    others is refused, unless the action knows of `several` processes.
    """
    try:
        if not several:
            refuse_launchers()
        with on_signals(stop):
            action()
    except SteepError as error:
        say(f"Error: {error}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt as interrupt:
        say(f"Stopped. {str(interrupt) or stopped}")
        raise typer.Exit(128 + number_of(interrupt)) from None
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        say(f"Error: {file}{error.strerror or error}.")
        raise typer.Exit(2) from None


def _devices(kind: type[Any], command: str, values: dict[str, Any]) -> int:
    """How many processes a command is to be, by its options, of which the command tells more."""
    with quiet():
        return as_mapping(options_for(kind, command, values))["devices"]


def several(action: Callable[[], None], devices: int) -> None:
    """Run `action` as one of the processes of a launcher; or be the launcher of so many."""
    ranks = launch.told(devices)
    refuse_launchers()  # others, which say it in another way
    if ranks.count > 1:
        from steep.train.ranks import joined  # only now: it imports torch

        with joined(ranks):
            action()
    elif devices > 1:
        raise typer.Exit(launch.start(devices))
    else:
        action()


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether a flag was typed: what was not leaves its place to --config and --recipe."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(option: Option) -> inspect.Parameter:
    common = option.metadata["common"]
    flag = typer.Option(
        f"--{option.name.replace('_', '-')}",
        help=option.metadata["help"].replace("[", "\\["),  # "[fit]" is no markup
        show_default=option.default not in (None, (), False),
        rich_help_panel=None if common else option.heading,
        hidden=not common,
    )
    default, hint = option.default, option.hint
    if get_origin(hint) is tuple:  # repeatable; typer knows lists only
        default, hint = list(default), list[get_args(hint)[0]]  # type: ignore[misc]
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, flag],
    )


def _config(own: list[inspect.Parameter]) -> inspect.Parameter:
    """`--config FILE.toml`; the command's inputs may stand in its table, too, such as `out`."""
    hints = {p.name: (*get_args(p.annotation), p.annotation)[0] for p in own}

    def use(context: typer.Context, path: Path | None) -> Path | None:
        def read() -> None:
            if path is not None and context.info_name is not None:
                table = "_".join(context.command_path.split()[1:]).replace("-", "_")
                values = read_toml(path).get(table, {})
                context.default_map = {
                    name: _input(hint, values[name], f"{path}: [{table}]: {name}")
                    for name, hint in hints.items()
                    if name in values
                }

        with_errors(read, several=True)  # what is read twice is not run twice
        return path

    flag = typer.Option(
        "--config",
        callback=use,
        is_eager=True,
        help="TOML file with a table named like the command; flags win over it.",
    )
    return _eager("config", Path | None, None, flag)


def _input(hint: Any, value: Any, where: str) -> str | list[str]:
    """A path, or several, from a TOML file as typer takes them; SteepError if it is none."""
    several = value if isinstance(value, list) and get_origin(hint) is list else [value]
    for path in several:
        if not isinstance(path, str) or not path:
            raise SteepError(f"{where} must be a path, not {brief(repr(path))}.")
    return several if get_origin(hint) is list else value


def _help_all() -> inspect.Parameter:
    def show(context: typer.Context, wanted: bool) -> None:
        if wanted:
            for parameter in context.command.params:
                if isinstance(parameter, TyperOption):
                    parameter.hidden = False
            typer.echo(context.get_help())
            raise typer.Exit

    flag = typer.Option("--help-all", callback=show, is_eager=True, help="Show all options.")
    return _eager("help_all", bool, False, flag)


def _eager(name: str, hint: Any, default: Any, flag: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[hint, flag])
