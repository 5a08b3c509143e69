"""Maps of the one-shots, so that samplers play them as a drum kit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from stemfx.kit_files import write_h2drumkit, write_sfz
from stemfx.kit_files.kit_sample import KitSample
from stemfx.slicing.library import Written
from stemfx.slicing.names import slug
from stemfx.slicing.one_shots import N_LAYERS
from stemfx.slicing.samples import ONE_SHOT

NAME = "drums"


def write_kits(folder: Path, written: Sequence[Written]) -> list[Path]:
    """Write the one-shots as SFZ and as a Hydrogen kit; return the files, none without one-shots.

    Every drum of every stem has velocity layers, and takes within them.

    Args:
        folder: of the library.
        written: its samples.
    """
    shots = [one for one in written if one.sample.kind == ONE_SHOT]
    if not shots:
        return []
    stems = list(dict.fromkeys((one.facts["song"], one.facts["stem"]) for one in shots))
    drums: dict[tuple[int, int, str], list[Written]] = {}
    for one in shots:
        stem = stems.index((one.facts["song"], one.facts["stem"]))
        drums.setdefault((stem, one.sample.drum, one.sample.sound_class), []).append(one)
    samples = [
        sample
        for (stem, drum, drum_class), group in sorted(drums.items(), key=lambda item: item[0])
        for sample in _layers(drum_class, _variant(stem, stems[stem][0], drum), group)
    ]
    name = " and ".join(dict.fromkeys(song for song, _ in stems))[:60]
    sfz, hydrogen = folder / f"{NAME}.sfz", folder / f"{NAME}.h2drumkit"
    write_sfz(sfz, samples, name=name)
    write_h2drumkit(hydrogen, samples, name=name)
    return [sfz, hydrogen]


def _variant(stem: int, song: str, drum: int) -> str:
    """Return how a drum is called beside others of its class; the usual one of a kit is not."""
    words = [slug(song)] if stem else []
    words += [str(drum + 1)] if drum else []
    return "-".join(words)


def _layers(drum_class: str, variant: str, group: Sequence[Written]) -> Iterator[KitSample]:
    """Yield the samples of a drum; a layer that has none leaves its velocities to the next."""
    layers = sorted({one.sample.layer for one in group})
    low = 0.0
    for layer in layers:
        high = 1.0 if layer == layers[-1] else (layer + 1) / N_LAYERS
        takes = (one for one in group if one.sample.layer == layer)
        for take, one in enumerate(takes):
            yield KitSample(
                one.path,
                drum_class,
                low,
                high,
                take,
                variant,
                choke="hats" if drum_class.startswith("hat_") else None,
            )
        low = high
