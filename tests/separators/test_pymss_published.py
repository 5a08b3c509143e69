from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from separators.test_bsrnn import settings as bsrnn_settings
from separators.test_bsrnn import write as write_bsrnn
from separators.tiny_msst import make
from serving import Server

from stemfx.audio import Audio
from stemfx.download import Remote
from stemfx.errors import ModelError
from stemfx.separator import SeparationContext, silent
from stemfx.separators import stemfx_separators
from stemfx.separators.bsrnn_published import PublishedBsrnn
from stemfx.separators.pymss_published import Published, published
from stemfx.separators.weights import models_folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    yield server
    server.close()


def by_name(name: str) -> Published:
    model = next(s for s in published() if s.card.name == name)
    assert isinstance(model, Published)
    return model


def test_every_published_model_is_known_and_says_where_from() -> None:
    known = {separator.card.name for separator in stemfx_separators()}
    for model in published():
        assert model.card.name in known
        assert model.weights() == "fetchable"
        assert model.files() == ()
        assert model.computes(("vocals",)) == model.card.stems
        assert model.card.source
        assert not model.card.sdr  # figures of other definitions are told in the summary
        assert (model.card.licence_class == "open") == model.card.licence.startswith("MIT")


def test_a_published_model_lies_in_the_models_folder(music: np.ndarray, tmp_path: Path) -> None:
    model = by_name("mel_band_roformer_kim")
    _, checkpoint = make(tmp_path, "mel_band_roformer")
    folder = models_folder() / "mel_band_roformer_kim"
    folder.mkdir()
    (tmp_path / "mel_band_roformer.yaml").rename(folder / "config_vocals_mel_band_roformer_kj.yaml")
    assert model.weights() == "fetchable"
    checkpoint.rename(folder / "MelBandRoformer.ckpt")
    assert model.weights() == "here"
    assert [file.name for file in model.files()] == [
        "config_vocals_mel_band_roformer_kj.yaml",
        "MelBandRoformer.ckpt",
    ]
    # the YAML calls what is left `other`, which would be mistaken for the fourth of four stems
    assert model.computes(("instrumental",)) == ("vocals", "instrumental")
    song = Audio(music, 44_100)
    blocks = model.separate(song, ("instrumental",), SeparationContext())
    assert sum(block.shape[-1] for block in blocks) == song.n_samples
    assert model.identity().startswith("pymss-")


def test_files_of_another_model_under_its_name_are_refused(tmp_path: Path) -> None:
    model = by_name("scnet_musdb18")
    folder = models_folder() / "scnet_musdb18"
    _, checkpoint = make(folder, "bs_roformer")
    checkpoint.rename(folder / "scnet_checkpoint_musdb18.ckpt")
    (folder / "bs_roformer.yaml").rename(folder / "config_musdb18_scnet.yaml")
    silence = Audio(np.zeros((2, 10), np.float32), 44_100)
    assert model.weights() == "here"
    with pytest.raises(ModelError, match=r"'scnet_musdb18' is drums, bass, other, vocals"):
        next(model.separate(silence, ("vocals",), SeparationContext()))


def local(model: Published, server: Server, folder: Path) -> Published:
    """Return a published model whose files a server on this machine has."""
    _, checkpoint = make(folder, "scnet")
    remotes = []
    for path, told in ((folder / "scnet.yaml", model._settings), (checkpoint, model._checkpoint)):
        content = path.read_bytes()
        server.others[f"/{told.name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        remotes.append(Remote(f"{server.root}/{told.name}", len(content), digest))
    return Published(model.card, *remotes)


def test_fetch_takes_settings_and_checkpoint(server: Server, tmp_path: Path) -> None:
    model = local(by_name("scnet_musdb18"), server, tmp_path)
    told: list[tuple[int, int]] = []
    model.fetch(lambda *numbers: told.append(numbers))
    assert model.weights() == "here"
    total = sum(file.stat().st_size for file in model.files())
    assert told[-1] == (total, total)
    assert [n for n, _ in told] == sorted(n for n, _ in told)


def test_fetch_refuses_what_is_not_the_published_file(server: Server, tmp_path: Path) -> None:
    model = local(by_name("scnet_musdb18"), server, tmp_path)
    server.others["/scnet_checkpoint_musdb18.ckpt"] = bytes(
        len(server.others["/scnet_checkpoint_musdb18.ckpt"])
    )
    with pytest.raises(ModelError, match=r"'scnet_musdb18' cannot be fetched: .*SHA-256"):
        model.fetch(silent)
    assert model.weights() == "fetchable"


COMMIT = "0123456789" * 4


def test_bsrnn_is_fetched_stem_by_stem(
    server: Server, music: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stem in ("drums", "bass", "other", "vocals"):
        checkpoint = write_bsrnn(tmp_path / stem, bsrnn_settings(stem), f"{stem}.ckpt")
        siblings = []
        for path in (tmp_path / stem / "hparams.yaml", checkpoint):
            content = path.read_bytes()
            server.others[f"/crlandsc/bsrnn-{stem}/resolve/{COMMIT}/{path.name}"] = content
            entry = {"rfilename": path.name, "size": len(content)}
            siblings.append(entry | {"lfs": {"sha256": hashlib.sha256(content).hexdigest()}})
        listing = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
        server.others[f"/api/models/crlandsc/bsrnn-{stem}?blobs=true"] = listing
    model = PublishedBsrnn()
    assert model.weights() == "fetchable"
    assert model.computes(("bass", "vocals")) == ("bass", "vocals")
    told: list[tuple[int, int]] = []
    model.fetch(lambda *numbers: told.append(numbers))
    assert model.weights() == "here"
    assert len(model.files()) == 8
    total = sum(file.stat().st_size for file in model.files())
    assert told[-1] == (total, total)
    assert [n for n, _ in told] == sorted(n for n, _ in told)
    assert model.computes(("bass",)) == ("bass",)
    song = Audio(music[:, :20_000], 44_100)
    blocks = list(model.separate(song, ("bass", "vocals"), SeparationContext()))
    assert np.concatenate(blocks, axis=-1).shape == (2, 2, 20_000)
    (models_folder() / "bsrnn" / "other" / "other.ckpt").unlink()
    assert model.weights() == "fetchable"


def test_sizes_that_people_are_told_are_those_of_the_files() -> None:
    for model in published():
        assert isinstance(model, Published)
        sizes = model._settings.size_bytes + model._checkpoint.size_bytes
        assert replace(model.card, size_bytes=sizes) == model.card
