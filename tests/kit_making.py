"""Samples and the layout of kits, for the tests of kits from disk."""

import numpy as np


def strike(hz, *, seed=0, level=0.5, seconds=0.25, sample_rate=44_100, channels=1):
    """A decaying tone with a click of noise: one drum, recorded once."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    click = np.random.default_rng(seed).standard_normal(t.size) * np.exp(-t / 0.002)
    hit = level * (0.8 * np.sin(2 * np.pi * hz * t) * np.exp(-t / 0.06) + 0.05 * click)
    return np.stack([hit] * channels)


def layout(kit):
    """What a kit is, without its levels: class -> [(name, [(low, high, [take files])])]."""
    return {
        drum_class: [
            (
                drum.name,
                [
                    (
                        round(layer.low, 2),
                        round(layer.high, 2),
                        ["+".join(s.info.path.name for s in take) for take in layer.takes],
                    )
                    for layer in drum.layers
                ],
            )
            for drum in drums
        ]
        for drum_class, drums in kit.drums.items()
    }
