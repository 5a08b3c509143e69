"""Published models of the MSST layout by name: where they are, how large, what is known of them.

Addresses, sizes and SHA-256 are those of the releases; where nobody has published a hash, the
size is rounded up and the length that the server announces is all that tells whole from cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stemfx.download import Remote, cannot_be_fetched, download_all
from stemfx.separator import LicenceClass, ModelCard, Progress, Separator, WeightsState
from stemfx.separators.pymss import Pymss, PymssMember
from stemfx.separators.pymss_config import read_config
from stemfx.separators.weights import models_folder

_MSST = "https://github.com/ZFTurbo/Music-Source-Separation-Training/releases/download"
_MSST_FILES = "https://raw.githubusercontent.com/ZFTurbo/Music-Source-Separation-Training"
_UVR = "https://github.com/TRvlvr/model_repo/releases/download/all_public_uvr_models"
_UVR_SETTINGS = (
    "https://raw.githubusercontent.com/TRvlvr/application_data/main/mdx_model_data/mdx_c_configs"
)
_FOUR = ("drums", "bass", "other", "vocals")
_TWO = ("vocals", "instrumental")
_NO_LICENCE = "no stated licence"
_SCNET_LICENCE = "MIT, said its author on 2026-07-17 (starrytong/SCNet, issue 35)"


class Published(Pymss):
    """A model by name: its files lie in a folder of that name in the models folder.

    Args:
        card: what is known of it; its names of stems count, not those of the settings.
        settings: the YAML.
        checkpoint: the weights; a `.safetensors` of the same name does as well.
    """

    def __init__(self, card: ModelCard, settings: Remote, checkpoint: Remote) -> None:
        super().__init__(card)
        self._settings, self._checkpoint = settings, checkpoint

    def files(self) -> tuple[Path, ...]:
        """Return settings and checkpoint where both are here."""
        folder = models_folder() / self.card.name
        settings, checkpoint = folder / self._settings.name, folder / self._checkpoint.name
        for weights in (checkpoint.with_suffix(".safetensors"), checkpoint):
            if settings.is_file() and weights.is_file():
                return settings, weights
        return ()

    def weights(self) -> WeightsState:
        """Say whether the files are here; what is in them is told when they are used."""
        return "here" if self.files() else "fetchable"

    def find(self) -> Sequence[PymssMember] | None:
        """Return the network where its files are here."""
        if not (files := self.files()):
            return None
        member = PymssMember.of(read_config(files[0]), files[1])
        n_stems = len(member.stems) + (member.config.left is not None)
        if n_stems == len(self.card.stems):
            member = replace(member, stems=self.card.stems[: len(member.stems)])
        return [member]

    def fetch(self, progress: Progress) -> None:
        """Download both files into the models folder.

        Raises:
            ModelError: one cannot be had, or is not what it should be.
        """
        folder = models_folder() / self.card.name
        files = {folder / remote.name: remote for remote in (self._settings, self._checkpoint)}
        remedy = f"put {self._settings.name} and {self._checkpoint.name} into {folder}"
        with cannot_be_fetched(self.card.name, remedy):
            download_all(files, told_bytes=self.card.size_bytes, progress=progress)


def published() -> list[Separator]:
    """Return the models that are known by name.

    None states an SDR on its card: the published figures are means over songs by the trainers'
    own definition, on the MUSDB18-HQ test set or on Multisong, which do not compare with medians
    of museval. The summaries tell them.
    """
    return [
        _published(
            "scnet_musdb18",
            "scnet",
            "small, fast and open: trained on MUSDB18-HQ only (9.0 dB there, says MSST)",
            Remote(
                f"{_MSST}/v.1.0.6/config_musdb18_scnet.yaml",
                1_739,
                "19103def86d549701f824804fc5f3d244e8e8ccd4032da6ee9d5b4f2a5f2da16",
            ),
            Remote(
                f"{_MSST}/v.1.0.6/scnet_checkpoint_musdb18.ckpt",
                42_434_986,
                "1bc0d1abb20bfdf966dcd07637bafd03e4bc13653d09ef18bc9b3e342eafe2aa",
            ),
            licence=_SCNET_LICENCE,
            licence_class="open",
            realtime_factor=1.4,
        ),
        _published(
            "scnet_large",
            "scnet",
            "open: trained on MUSDB18-HQ only (9.7 dB there, says MSST)",
            Remote(f"{_MSST}/v1.0.9/config_musdb18_scnet_large_starrytong.yaml", 4_000),
            Remote(f"{_MSST}/v1.0.9/SCNet-large_starrytong_fixed.ckpt", 170_000_000),
            licence=_SCNET_LICENCE,
            licence_class="open",
            realtime_factor=6.0,
        ),
        _published(
            "scnet_xl_ihf",
            "scnet",
            "the best public SCNet: trained on MUSDB18-HQ only (10.1 dB there, says MSST)",
            Remote(f"{_MSST}/v1.0.15/config_musdb18_scnet_xl_more_wide_v5.yaml", 5_906),
            Remote(
                f"{_MSST}/v1.0.15/model_scnet_ep_36_sdr_10.0891.ckpt",
                214_063_778,
                "ac25975f0f5704f3d1a3c3c251505b7a0f417a22eafe82773440ee4f7e14b74f",
            ),
            realtime_factor=8.0,
        ),
        _published(
            "bs_roformer_musdb18",
            "bs_roformer",
            "four stems, trained on MUSDB18-HQ only (9.7 dB there, says MSST)",
            Remote(
                f"{_MSST}/v1.0.12/config_bs_roformer_384_8_2_485100.yaml",
                4_566,
                "d8afb980318d0c08b9c2e24a7adc00d4f3150320c127a7e4de861800d1321939",
            ),
            Remote(
                f"{_MSST}/v1.0.12/model_bs_roformer_ep_17_sdr_9.6568.ckpt",
                527_385_512,
                "3e9daecd70aaed5b5a0d1f861cc4d77eaa45afb3fc6301b1cf32c1be0f5868fb",
            ),
            realtime_factor=8.6,
        ),
        _published(
            "bs_roformer_ep317",
            "bs_roformer",
            "viperx' vocals and what is left of them (10.9 dB on Multisong, says MSST)",
            Remote(
                f"{_UVR_SETTINGS}/model_bs_roformer_ep_317_sdr_12.9755.yaml",
                2_273,
                "2bfdd16c656bd9519aba757cc4f8834b7ede675eb1e00ec4772d74ae1c41af7f",
            ),
            Remote(
                f"{_UVR}/model_bs_roformer_ep_317_sdr_12.9755.ckpt",
                639_331_213,
                "5b84f37e8d444c8cb30c79d77f613a41c05868ff9c9ac6c7049c00aefae115aa",
            ),
            stems=_TWO,
            realtime_factor=34.0,
        ),
        _published(
            "mel_band_roformer_kim",
            "mel_band_roformer",
            "Kimberley Jensen's vocals and what is left of them (11.0 dB on Multisong, says MSST)",
            Remote(
                f"{_MSST_FILES}/83d495dfc81b2ede9bc62f4209619f8bdfd14995/configs/KimberleyJensen"
                "/config_vocals_mel_band_roformer_kj.yaml",
                1_721,
                "f63f38eb1e6e40a7db0dade714a5ae257555dd8748f4e774eae8679275a81926",
            ),
            Remote(
                "https://huggingface.co/KimberleyJSN/melbandroformer/resolve/main"
                "/MelBandRoformer.ckpt",
                913_106_900,
                "87201f4d31afb5bc79993230fc49446918425574db48c01c405e44f365c7559e",
            ),
            stems=_TWO,
            realtime_factor=6.5,
        ),
        _published(
            "mdx23c_instvoc_hq",
            "mdx23c",
            "vocals and instrumental, each from the network, which hears up to 22 kHz",
            Remote(
                f"{_UVR_SETTINGS}/model_2_stem_full_band_8k.yaml",
                709,
                "451765e869b78dcb9ca9188a74da31f581b7254ff0e8b532aa76b974148de947",
            ),
            Remote(
                f"{_UVR}/MDX23C-8KFFT-InstVoc_HQ.ckpt",
                448_101_203,
                "49d51472769e34a2501cd1da782346a3212555c3a5619fc2c53507445528d816",
            ),
            stems=_TWO,
            realtime_factor=26.0,
        ),
    ]


def _published(
    name: str,
    family: str,
    summary: str,
    settings: Remote,
    checkpoint: Remote,
    *,
    stems: tuple[str, ...] = _FOUR,
    licence: str = _NO_LICENCE,
    licence_class: LicenceClass = "not stated",
    realtime_factor: float,
) -> Separator:
    card = ModelCard(
        name=name,
        family=family,
        stems=stems,
        sample_rate=44_100,
        licence=licence,
        summary=summary,
        size_bytes=settings.size_bytes + checkpoint.size_bytes,
        realtime_factor=realtime_factor,
        licence_class=licence_class,
        source=checkpoint.url.removeprefix("https://").rpartition("/")[0],
    )
    return Published(card, settings, checkpoint)
