"""`stemfx models`: what separates, its licence, where its weights are; add, fetch, remove."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from stemfx.cli import arguments as a
from stemfx.cli import completion

if TYPE_CHECKING:
    from stemfx.registry import Registry
    from stemfx.separator import LicenceClass, ModelCard, Separator


class _NameOrCommand(TyperGroup):
    """Takes a name that is no command for the model to show."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["show", *args])


models = typer.Typer(cls=_NameOrCommand, invoke_without_command=True, rich_markup_mode=None)


@models.callback(subcommand_metavar="[NAME | COMMAND [ARGS]...]")
def list_models(context: typer.Context, json: a.Json = False) -> None:
    """List the separation models, or show one; add, fetch or remove weights."""
    if context.invoked_subcommand is not None:
        return
    from stemfx.cli.screen import print_json
    from stemfx.registry import build_registry
    from stemfx.separators import models_folder

    separators = list(build_registry().separators.values())
    if json:
        listed = [_facts(separator) for separator in separators]
        print_json({"schema": 1, "folder": str(models_folder()), "models": listed})
    else:
        _print_table(separators, models_folder())


def _facts(separator: Separator) -> dict[str, Any]:
    from stemfx.registry import files_of, weights_of

    card, state = separator.card, weights_of(separator)
    files = files_of(separator) if state == "here" else ()
    return {
        "name": card.name,
        "family": card.family,
        "stems": list(card.stems),
        "sample_rate": card.sample_rate,
        "licence": card.licence,
        "licence_class": card.licence_class,
        "weights": state,
        "path": str(files[0].parent if len(files) > 1 else files[0]) if files else None,
        "source": card.source,
        "size_bytes": card.size_bytes,
        "sdr": dict(card.sdr),
        "sdr_source": card.sdr_source,
        "summary": card.summary,
    }


def _print_table(separators: list[Separator], folder: Path) -> None:
    from rich.table import Table

    from stemfx.cli.screen import table_console
    from stemfx.shown import plain

    table = Table("model", "stems", "size", "SDR", "licence of the weights")
    table.add_column("weights", overflow="fold")
    table.add_column("for")
    sources: dict[str, list[str]] = {}
    for separator in separators:
        card, facts = separator.card, _facts(separator)
        sdr = card.sdr.values()
        if card.sdr_source:
            sources.setdefault(card.sdr_source, []).append(card.name)
        where = facts["path"] if facts["weights"] == "here" else card.source
        table.add_row(
            plain(f"{card.name}\n{card.family}"),
            plain(", ".join(card.stems)),
            plain(f"{_size(card)}\n{card.sample_rate / 1000:g} kHz"),
            f"{sum(sdr) / len(sdr):.1f} dB" if sdr else "",
            plain(_licence(card)),
            plain(f"{facts['weights']}\n{where or ''}".strip()),
            plain(card.summary),
        )
    console = table_console()
    console.print(table)
    console.print(plain(f"models folder: {folder}"), soft_wrap=True)
    for source, names in sources.items():
        told = f"SDR: mean over the stems of what was published ({', '.join(names)}: {source})"
        console.print(plain(told), soft_wrap=True)


def _size(card: ModelCard) -> str:
    return f"{card.size_bytes / 1e6:.0f} MB" if card.size_bytes else "unknown size"


def _licence(card: ModelCard) -> str:
    """Return class and text of a licence, or the class alone where the text says no more."""
    says_more = card.licence not in {"", "no stated licence"}
    return f"{card.licence_class}: {card.licence}" if says_more else card.licence_class


@models.command(hidden=True)
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(autocompletion=completion.known_models)],
    json: a.Json = False,
) -> None:
    """Show one model in full: stems, figures, files and their hashes."""
    from stemfx.cli.screen import print_json, table_console
    from stemfx.registry import build_registry, files_of
    from stemfx.separators.weights import sha256
    from stemfx.shown import plain

    separator = _known(build_registry(), name)
    facts = _facts(separator)
    facts["files"] = [
        {"path": str(path), "size_bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in (files_of(separator) if facts["weights"] == "here" else ())
    ]
    if json or (context.parent is not None and context.parent.params.get("json")):
        print_json({"schema": 1, "models": [facts]})
        return
    card, console = separator.card, table_console()
    figures = ", ".join(f"{stem} {value:g} dB" for stem, value in card.sdr.items())
    lines = {
        "family": card.family,
        "for": card.summary,
        "stems": ", ".join(card.stems),
        "sample rate": f"{card.sample_rate} Hz",
        "size": f"{card.size_bytes} bytes" if card.size_bytes else "unknown",
        "licence of the weights": _licence(card),
        "source": card.source or "your own file",
        "weights": facts["weights"],
        "SDR": f"{figures} ({card.sdr_source})" if figures else "none published",
    }
    console.print(plain(card.name))
    for title, text in lines.items():
        console.print(plain(f"  {title}: {text}"), soft_wrap=True)
    for file in facts["files"]:
        told = f"  file: {file['path']} ({file['size_bytes']} bytes, SHA-256 {file['sha256']})"
        console.print(plain(told), soft_wrap=True)


def _known(registry: Registry, name: str) -> Separator:
    from stemfx.errors import ModelError
    from stemfx.recipe.problems import did_you_mean

    if clash := registry.clashes.get(("model", name)):
        raise ModelError(clash)
    if name not in registry.separators:
        hint = did_you_mean(name, [*registry.separators, "add", "fetch", "remove"])
        raise ModelError(f"model {name!r} is unknown{hint or '; `stemfx models` lists them'}")
    return registry.separators[name]


class LicenceName(StrEnum):
    """What the licence of weights comes to."""

    OPEN = "open"
    NONCOMMERCIAL = "non-commercial"
    NOT_STATED = "not stated"


@models.command()
def add(
    file: Annotated[Path, typer.Argument(help="A file of weights, or the folder of a model.")],
    name: Annotated[
        str | None, typer.Option(help="What recipes call it; default: the file's name.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, in words, for reports.")
    ] = None,
    licence_class: Annotated[LicenceName | None, typer.Option(help="What that comes to.")] = None,
    allow_pickle: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256",
            help="Take only the tensors out of a checkpoint that holds other objects too, if this "
            "is its SHA-256; they become a file of their own in the models folder.",
        ),
    ] = None,
    json: a.Json = False,
) -> None:
    """Give a model file or folder of yours a name; it stays where it is, and its hash is kept."""
    from stemfx import registered
    from stemfx.cli.screen import print_json, print_line
    from stemfx.registry import build_registry

    registry = build_registry()
    clashing = {name: text for (kind, name), text in registry.clashes.items() if kind == "model"}
    model = registered.add(
        a.user_path(file, "FILE"),
        opener=registry.open_model,
        taken={**registry.separators, **clashing},
        name=name,
        licence=licence,
        licence_class=cast("LicenceClass | None", licence_class and licence_class.value),
        allow_pickle=allow_pickle,
    )
    facts = _facts(model)
    facts["files"] = [
        {"path": str(file.path), "size_bytes": file.size_bytes, "sha256": file.sha256}
        for file in model.recorded
    ]
    if json:
        print_json({"schema": 1, "models": [facts]})
        return
    card = model.card
    print_line(f"{card.name}: {card.family}, {', '.join(card.stems)}; write `model: {card.name}`")
    for one in model.recorded:
        print_line(f"  {one.path} (SHA-256 {one.sha256})")


@models.command()
def remove(
    name: Annotated[
        str,
        typer.Argument(
            help="A model that `stemfx models add` has added.",
            autocompletion=completion.known_models,
        ),
    ],
    json: a.Json = False,
) -> None:
    """Forget a model that was added; your own files stay."""
    from stemfx import registered
    from stemfx.cli.screen import print_json, print_line

    folder = registered.remove(name)
    if json:
        print_json({"schema": 1, "removed": name, "folder": folder and str(folder)})
    else:
        print_line(f"forgot {name}" + (f"; {folder} is gone with it" if folder else ""))


@models.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="A published model.", autocompletion=completion.known_models)
    ],
    accept_noncommercial: a.AcceptNoncommercial = False,
    json: a.Json = False,
) -> None:
    """Download the weights of a model now; what, how much and under which licence is said first."""
    from stemfx.cli.screen import fetch_bar, print_json, print_line
    from stemfx.models import ACCEPTED, UNASKED, Fetcher, choose
    from stemfx.registry import build_registry
    from stemfx.session import failure_memory

    registry = build_registry()
    separator = _known(registry, name)
    choice = choose(
        registry,
        name,
        stems=(),
        offline=False,
        where="NAME",
        allowed=ACCEPTED if accept_noncommercial else UNASKED,
    )
    Fetcher(registry, failure_memory(), fetch_bar).fetch(choice, stems=())
    facts = _facts(separator)
    if json:
        print_json({"schema": 1, "models": [facts]})
    else:
        print_line(f"{name}: {facts['weights']}: {facts['path'] or ''}")
