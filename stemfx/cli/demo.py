"""`stemfx demo`: a song made on the spot, and a recipe run on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the song and the results.")] = Path(
        "stemfx-demo"
    ),
    json: a.Json = False,
) -> None:
    """Make a short demo song with its true stems and run a recipe on it."""
    import shutil

    from stemfx.cli.run import run_recipe
    from stemfx.cli.screen import print_line
    from stemfx.io import check_writable
    from stemfx.session import Request
    from stemfx.shipped import shipped_recipes

    folder = a.user_path(out, "--out").resolve()
    check_writable(folder)
    song = write_demo_song(folder)
    recipe = folder / "demo.yaml"
    shutil.copyfile(shipped_recipes()["demo"], recipe)
    run_recipe(str(recipe), Request(offline=True), as_json=json)
    if not json:
        print_line(
            f"\nBefore: {song}\nAfter:  {folder / 'demo-master.wav'}\n"
            f"Hear and see every step: open {folder / 'demo.html'} in a browser\n"
            "Now your own song:  stemfx run remix --source song=YOUR.wav"
        )


def write_demo_song(folder: Path) -> Path:
    """Write the demo song and its true stems as 16-bit WAV; return the song's path."""
    import numpy as np

    from stemfx.audio import Audio
    from stemfx.demo_song import demo_song
    from stemfx.io import Encoding, write

    encoding = Encoding("wav", 16)
    stems = demo_song()
    for name, stem in stems.items():
        write(folder / "true-stems" / f"{name}.wav", stem, encoding)
    mixture = np.sum([stem.samples for stem in stems.values()], axis=0)
    rate = next(iter(stems.values())).sample_rate
    song = folder / "demo-song.wav"
    write(song, Audio(mixture, rate), encoding)
    return song
