import numpy as np
import pytest
import soundfile
from kit_making import strike


@pytest.fixture
def put(tmp_path):
    """Write `put('kick.wav', hz=60)` into a kit's folder; return its path."""

    def write(name, samples=None, *, sample_rate=44_100, subtype="FLOAT", folder=None, **kind):
        path = (folder or tmp_path / "kit") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if samples is None:
            samples = strike(kind.pop("hz", 100), sample_rate=sample_rate, **kind)
        soundfile.write(str(path), np.asarray(samples).T, sample_rate, subtype=subtype)
        return path

    return write


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "kit"
    path.mkdir(exist_ok=True)
    return path
