"""What the networks of pymss-core may be asked for: loops, time, memory, and names it looks up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stemfx.separators.plain_yaml import shown


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Arguments that change neither the sound nor the weights: pymss-core takes and forgets them.
TRAINING_ONLY = _words(
    "attn_dropout ff_dropout conv_dropout dim_freqs_in sage_attention use_torch_checkpoint "
    "multi_stft_resolution_loss_weight multi_stft_resolutions_window_sizes multi_stft_hop_size "
    "multi_stft_normalized freeze_encoder name"
)
LABELS = frozenset({"type", "model_type", "architecture"})
_FLAGS = _words(
    "stereo flash_attn stft_normalized zero_dc skip_connection norm_output use_pope "
    "use_shared_bias match_input_audio_length normalized bidirectional complex_mask center "
    "onesided require_no_overlap require_no_gap normalize_channel_independently "
    "treat_channel_as_feature use_freq_weights normalize_input mult_add_mask"
)
NUMBERS: Mapping[str, tuple[float, float]] = {
    # all
    "sample_rate": (8_000, 192_000),
    # roformers
    "dim": (1, 2048),
    "depth": (1, 48),
    "num_stems": (1, 16),
    "time_transformer_depth": (1, 8),
    "freq_transformer_depth": (1, 8),
    "linear_transformer_depth": (0, 0),  # pymss-core has no such layers
    "time_conformer_depth": (1, 8),
    "freq_conformer_depth": (1, 8),
    "num_bands": (1, 256),
    "dim_head": (2, 512),
    "heads": (1, 64),
    "stft_n_fft": (64, 16_384),
    "stft_hop_length": (16, 8192),
    "stft_win_length": (64, 16_384),
    "mask_estimator_depth": (1, 8),
    "mlp_expansion_factor": (1, 16),
    "mlp_hidden_layers": (0, 8),
    "ff_mult": (1, 16),
    "conv_expansion_factor": (1, 16),
    "conv_kernel_size": (1, 255),
    # scnet
    "audio_channels": (2, 2),
    "nfft": (64, 16_384),
    "hop_size": (16, 8192),
    "win_size": (64, 16_384),
    "compress": (1, 64),
    "conv_kernel": (1, 63),
    "num_dplayer": (1, 48),
    "expand": (1, 16),
    # mdx23c
    "bottleneck_factor": (1, 64),
    "growth": (0, 1024),
    "num_blocks_per_scale": (1, 16),
    "num_channels": (1, 1024),
    "num_scales": (1, 8),
    "num_subbands": (1, 64),
    # bandit
    "in_channel": (1, 1),  # pymss-core hears each channel by itself, or not at all
    "fs": (8_000, 192_000),
    "n_bands": (1, 256),
    "n_sqm_modules": (1, 48),
    "emb_dim": (1, 1024),
    "rnn_dim": (1, 2048),
    "mlp_dim": (1, 4096),
    "cond_dim": (0, 0),
    "n_fft": (64, 16_384),
    "win_length": (64, 16_384),
    "hop_length": (16, 8192),
}
_LISTS: Mapping[str, tuple[int, float, float]] = {  # longest, smallest, largest
    "freqs_per_bands": (512, 1, 8192),
    "dims": (8, 1, 1024),
    "band_SR": (3, 0.01, 0.98),
    "band_stride": (3, 1, 64),
    "band_kernel": (3, 1, 64),
    "conv_depths": (3, 1, 16),
    "scale": (2, 1, 8),
}
_WORDS: Mapping[str, frozenset[str]] = {
    "norm": frozenset({"BatchNorm", "InstanceNorm", *(f"GroupNorm{2**k}" for k in range(8))}),
    "act": frozenset({"gelu", "relu", "elu1", "elu1.0"}),
    "window_fn": frozenset({"hann_window", "hamming_window", "blackman_window"}),
    "rnn_type": frozenset({"LSTM", "GRU"}),
    "hidden_activation": frozenset({"Tanh", "ReLU", "GELU", "SiLU"}),
    "pad_mode": frozenset({"constant", "reflect"}),
    "band_specs": frozenset({"musical", "mel", "bark", "tribark", "erb"}),
}
_NULLS = frozenset({"stft_window_fn", "wkwargs", "power", "hidden_activation_kwargs"})

_ROFORMER = _words(
    "dim depth stereo num_stems dim_head heads flash_attn stft_n_fft stft_hop_length "
    "stft_win_length stft_normalized stft_window_fn zero_dc mask_estimator_depth "
    "mlp_expansion_factor skip_connection norm_output"
)
_TRANSFORMER = ["time_transformer_depth", "freq_transformer_depth", "linear_transformer_depth"]
_CONFORMER = _words(
    "time_conformer_depth freq_conformer_depth ff_mult conv_expansion_factor conv_kernel_size"
)
_BANDS = ["freqs_per_bands", "use_shared_bias"]
_MEL = ["num_bands", "sample_rate", "match_input_audio_length", "mlp_hidden_layers"]
KNOWN: Mapping[str, frozenset[str]] = {
    "bs_roformer": frozenset([*_ROFORMER, *_BANDS, *_TRANSFORMER, "use_pope"]),
    "bs_conformer": frozenset([*_ROFORMER, *_BANDS, *_CONFORMER]),
    "mel_band_roformer": frozenset([*_ROFORMER, *_MEL, *_TRANSFORMER]),
    "mel_band_conformer": frozenset([*_ROFORMER, *_MEL, *_CONFORMER]),
    "scnet": _words(
        "sources audio_channels dims nfft hop_size win_size normalized band_SR band_stride "
        "band_kernel conv_depths compress conv_kernel num_dplayer expand"
    ),
    "mdx23c": _words(
        "act bottleneck_factor growth norm num_blocks_per_scale num_channels num_scales "
        "num_subbands scale"
    ),
    "bandit": _words(
        "in_channel stems band_specs n_bands fs require_no_overlap require_no_gap "
        "normalize_channel_independently treat_channel_as_feature n_sqm_modules emb_dim rnn_dim "
        "cond_dim bidirectional rnn_type mlp_dim hidden_activation hidden_activation_kwargs "
        "complex_mask n_fft win_length hop_length window_fn wkwargs power center normalized "
        "pad_mode onesided use_freq_weights normalize_input mult_add_mask"
    ),
}
SIGNS: Mapping[str, tuple[str, ...]] = {  # keys that only one architecture has
    "bs_roformer": ("freqs_per_bands", "time_transformer_depth"),
    "bs_conformer": ("freqs_per_bands", "time_conformer_depth"),
    "mel_band_roformer": ("num_bands", "time_transformer_depth"),
    "mel_band_conformer": ("num_bands", "time_conformer_depth"),
    "scnet": ("dims", "band_SR"),
    "mdx23c": ("num_subbands", "num_scales"),
    "bandit": ("in_channel", "band_specs"),
}


def check(told: str, key: str, value: Any) -> None:
    """Refuse what no network needs.

    Args:
        told: what the argument is called in the message.
        key: its name.
        value: what the YAML says.

    Raises:
        ValueError: it is of another kind, or out of limits.
    """
    if key in _FLAGS:
        is_fine = isinstance(value, bool) or value is None
    elif key in _WORDS:
        is_fine = value in _WORDS[key] if isinstance(value, str) else False
    elif key in _NULLS:
        is_fine = value is None or value == {}
    elif key in _LISTS:
        longest, low, high = _LISTS[key]
        is_fine = isinstance(value, list | tuple) and 0 < len(value) <= longest
        is_fine = is_fine and all(is_number(item, low, high) for item in value)
    else:
        is_fine = is_number(value, *NUMBERS[key]) or (value is None and key.startswith("mlp_"))
    if not is_fine:
        raise ValueError(f"{told} = {shown(value)} is outside what networks need")


def is_number(value: Any, low: float, high: float) -> bool:
    """Say whether a value is a finite number within limits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high  # NaN is not
