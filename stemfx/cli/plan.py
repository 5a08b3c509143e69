"""`stemfx plan`: what a run would do, without touching audio."""

from __future__ import annotations

from stemfx.cli import arguments as a


def plan(
    recipe: a.Recipe,
    source: a.Sources = None,
    preset: a.Preset = None,
    set_: a.Settings = None,
    out: a.Out = None,
    preview: a.Preview = None,
    model: a.Model = None,
    quality: a.Quality = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    commercial: a.Commercial = False,
    json: a.Json = False,
) -> None:
    """Show the steps of a recipe, which are cached, the models and the expected cost."""
    from stemfx.cli.screen import print_json, print_line, table_console
    from stemfx.explained import explained
    from stemfx.registry import build_registry
    from stemfx.report import plan_json, print_plan
    from stemfx.run import missing_nodes
    from stemfx.session import open_cache, opened_recipe, prepare

    request = a.request_from(
        source=source,
        preset=preset,
        set_=set_,
        out=out,
        preview=preview,
        model=model,
        quality=quality,
        device=device,
        offline=offline,
        fold_down=fold_down,
        accept_noncommercial=accept_noncommercial,
        commercial=commercial,
    )
    registry = build_registry()
    with opened_recipe(a.name_or_path(recipe, "RECIPE"), request, registry) as opened:
        made, notices = prepare(
            opened.recipe, opened.out_folder, request, registry, may_fetch=False, lock=opened.lock
        )
        with open_cache() as cache:
            missing = missing_nodes(made, cache, verify=False)
            told = explained(made, cache)
    if json:
        align = {} if told is None else {"align": told.to_json()}
        print_json(plan_json(made, missing, notices) | align)
    else:
        print_plan(made, missing, notices, table_console())
        for line in () if told is None else told.lines:
            print_line(line)
