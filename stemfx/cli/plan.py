"""`stemfx plan`: what a run would do, without touching audio."""

from __future__ import annotations

from stemfx.cli import arguments as a


def plan(
    recipe: a.Recipe,
    source: a.Sources = None,
    set_: a.Settings = None,
    out: a.Out = None,
    preview: a.Preview = None,
    model: a.Model = None,
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    json: a.Json = False,
) -> None:
    """Show the steps of a recipe, which are cached, the models and the expected cost."""
    from stemfx.cli.screen import print_json, table_console
    from stemfx.registry import build_registry
    from stemfx.report import plan_json, print_plan
    from stemfx.run import missing_nodes
    from stemfx.session import Request, load_recipe, open_cache, prepare

    request = Request(
        settings=a.parse_pairs(set_, "--set"),
        sources=a.parse_sources(source),
        out_folder=out,
        preview_s=a.parse_preview(preview),
        model=model,
        offline=offline,
        fold_down=fold_down,
    )
    registry = build_registry()
    loaded, folder = load_recipe(recipe, request, registry)
    made, notices = prepare(loaded, folder, request, registry, may_fetch=False)
    with open_cache() as cache:
        missing = missing_nodes(made, cache, verify=False)
    if json:
        print_json(plan_json(made, missing))
    else:
        print_plan(made, missing, notices, table_console())
