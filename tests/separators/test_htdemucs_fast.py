"""The fast HTDemucs gives what demucs' own gives."""

from __future__ import annotations

import gc
import math
import weakref
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
import torch
from separators.tiny import SOURCES, build
from torch import Tensor

from stemfx.separators import htdemucs_fast, onednn
from stemfx.separators.htdemucs_fast import faster
from stemfx.separators.threads import torch_threads

N_SEGMENT = 26_460  # of the tiny network

# Each leaves the published shape in another direction.
KINDS: dict[str, dict[str, Any]] = {
    "published": {},
    "six stems": {"sources": [*SOURCES, "guitar", "piano"]},
    "three levels": {"depth": 3},
    "one level, no transformer": {"depth": 1, "t_layers": 0},
    "other widths": {"channels": 12, "bottom_channels": 24, "t_heads": 4},
    "no bottom": {"bottom_channels": 0},
    "cross attention first": {"t_cross_first": True, "t_layers": 3},
    "relu, nothing scaled": {"t_gelu": False, "t_layer_scale": False, "t_norm_out": False},
    "other branches": {"dconv_mode": 1, "dconv_depth": 3, "dconv_comp": 4},
    "no branches, no places": {"dconv_mode": 0, "freq_emb": 0, "t_weight_pos_embed": 0.5},
    "other kernels": {"stride": 2, "kernel_size": 4, "depth": 2, "nfft": 256, "context_enc": 1}
    | {"segment": Fraction(1, 20)},
}


def network_of(**changes: Any) -> Any:
    """Build one whose scales are as after training: new ones hide what is behind them."""
    from demucs.demucs import LayerScale
    from demucs.transformer import LayerScale as TransformerScale

    sources = changes.pop("sources", SOURCES)
    network = build("htdemucs", sources=sources, **changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (LayerScale, TransformerScale)):
                module.scale.uniform_(0.1, 1.0, generator=generator)
            if isinstance(module, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.5, 0.5, generator=generator)
    return network


def noise(n: int = N_SEGMENT, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, 2, n, generator=torch.Generator().manual_seed(seed)) + 0.01


def error_db(estimate: Tensor, reference: Tensor) -> float:
    assert estimate.shape == reference.shape
    return 20 * math.log10((estimate - reference).norm() / reference.norm())


def reference(network: Any, mix: Tensor) -> Tensor:
    with torch.no_grad():
        return network(mix)


# -100 dB: float32 in another order of sums; the tiny ones come to about -125.


@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_gives_what_demucs_gives(kind: str) -> None:
    network = network_of(**KINDS[kind])
    fast = faster(network)
    assert fast.arithmetic == "float32", fast.reason
    mix = noise(int(network.segment * network.samplerate))
    assert error_db(fast(mix), reference(network, mix)) < -100


@pytest.mark.parametrize("n", [1, 5_000, N_SEGMENT - 1])
def test_what_is_shorter_than_a_segment_is_padded_as_demucs_does(n: int) -> None:
    network = network_of()
    assert error_db(faster(network)(noise(n)), reference(network, noise(n))) < -100


@pytest.mark.parametrize("n", [6_000, N_SEGMENT, 30_001])
def test_networks_without_training_segment_take_any_length(n: int) -> None:
    network = network_of(use_train_segment=False)
    assert error_db(faster(network)(noise(n)), reference(network, noise(n))) < -100


def test_public_operators_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of()
    private = faster(network)(noise())
    monkeypatch.setattr(onednn, "has_private_operators", lambda: False)
    fast = faster(network)
    assert fast.arithmetic == "float32"
    assert error_db(fast(noise()), reference(network, noise())) < -100
    assert error_db(fast(noise()), private) < -100


@pytest.mark.parametrize("missing", ["_reorder_linear_weight", "_convolution_pointwise"])
def test_operators_that_changed_are_noticed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: Any) -> None:
        raise RuntimeError("unknown signature")

    assert onednn.has_private_operators() in {True, False}  # the operators are looked up once
    onednn.has_private_operators.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(torch.ops.mkldnn, missing, changed, raising=False)
            assert not onednn.has_private_operators()
    finally:
        onednn.has_private_operators.cache_clear()


def test_two_threads_at_once_give_the_same_bits() -> None:
    fast = faster(network_of())
    mixes = [noise(seed=seed) for seed in range(4)]

    def run(mix: Tensor) -> Tensor:
        with torch_threads(1):
            return fast(mix)

    alone = [run(mix) for mix in mixes]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, mixes * 2))
    for a, b in zip(alone * 2, together, strict=True):
        assert torch.equal(a, b)


def test_the_input_is_left_alone() -> None:
    mix = noise()
    faster(network_of())(mix)
    assert torch.equal(mix, noise())


def test_bfloat16_stays_within_its_bound_and_is_used() -> None:
    if not htdemucs_fast._has_bfloat16():
        pytest.skip("this CPU has no bfloat16")
    network = network_of()
    fast = faster(network, error_db=-50)
    assert fast.arithmetic == "bfloat16 products"
    error = error_db(fast(noise()), reference(network, noise()))
    # Below what rounding every number to 8 bits gives, -54 dB; above what float32 could give.
    assert -100 < error < -54


def test_without_bfloat16_the_arithmetic_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htdemucs_fast, "_has_bfloat16", lambda: False)
    assert faster(network_of(), error_db=-60).arithmetic == "float32"


PLAIN: dict[str, tuple[dict[str, Any], str]] = {
    "masks": ({"cac": False}, "masks"),
    "norms in layers": ({"norm_starts": 2}, "layers"),
    "bands": ({"multi_freqs": [0.25, 0.5], "multi_freqs_depth": 1}, "layers"),
    "no rewrite": ({"rewrite": False}, "layers"),
    "norms after": ({"t_norm_first": False}, "transformer"),
    "group norms": ({"t_group_norm": True}, "transformer"),
    "norms of three groups": ({"t_norm_out": 3, "bottom_channels": 24}, "transformer"),
    "learnt places": ({"t_emb": "scaled"}, "transformer"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_not_covered_runs_as_it_is_and_says_why(kind: str) -> None:
    changes, reason = PLAIN[kind]
    network = network_of(**changes)
    fast = faster(network)
    assert fast.arithmetic == "demucs"
    assert reason in fast.reason
    assert error_db(fast(noise()), reference(network, noise())) < -100
    assert not fast(noise()).requires_grad


def test_a_wrong_result_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of()
    monkeypatch.setattr(
        htdemucs_fast,
        "_spectrum",
        lambda mix, n_fft, right=htdemucs_fast._spectrum: right(mix, n_fft) * 1.001 + 0.001,
    )
    fast = faster(network)
    assert fast.arithmetic == "demucs"
    assert "dB" in fast.reason
    assert torch.allclose(fast(noise()), reference(network, noise()), atol=1e-5)


def test_silence_gives_silence() -> None:
    silence = torch.zeros(1, 2, N_SEGMENT)
    assert torch.equal(faster(network_of())(silence), torch.zeros(1, 4, 2, N_SEGMENT))


def test_the_network_can_be_let_go() -> None:
    network = network_of()
    fast, kept = faster(network), weakref.ref(network)
    del network
    gc.collect()
    assert kept() is None
    assert fast(noise()).isfinite().all()


def test_segments_come_one_at_a_time() -> None:
    with pytest.raises(ValueError, match="too many values"):
        faster(network_of())(torch.cat([noise(), noise()]))


def test_building_leaves_the_network_as_it_was() -> None:
    network = network_of()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    switch, random = network.use_train_segment, torch.random.get_rng_state()
    faster(network)(noise())
    assert network.use_train_segment == switch
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
