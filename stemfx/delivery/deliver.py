"""Write one result, then hear it as its listeners will: decoded, and measured.

What a lossy codec does to peaks cannot be told beforehand: it adds noise where they are. So the
file is decoded before it gets its name, and encoded again, lower, when that shows it too high.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stemfx.audio import Signal, peak_of
from stemfx.delivery.decoded import Decoded, decode
from stemfx.delivery.tagging import wav_chunks, write_tags
from stemfx.dsp.dither import Dither, can_shape
from stemfx.dsp.limiter import limit
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.fixes import LAST_IN_MASTER, entries, placed, stage_line
from stemfx.io import Encoding, Written, fits_wav, write, writing_to
from stemfx.stage import Measurement, Notes
from stemfx.tags import Cover, Tags, read_cover

SAFE_PEAK_DBFS = -0.1
"""Where the highest sample goes when a result would clip and nothing in the recipe limits it."""

TOLERANCE_DB = 0.05
FULL_SCALE_DBTP = 0.0
MAX_TRIES = 4
MARGIN_DB = 0.1  # each encoding adds other noise; with 0.02 dB it took half a try more
LAST_MARGIN_DB = 0.2
ANOTHER_SOUND_DB = 0.0
"""Of music codecs leave out less than -10 dB; a sound that is late or another is +3 dB away."""


@dataclass(frozen=True)
class Delivered(Decoded):
    """What came out of a file when it was decoded, and what that took.

    Args:
        gain_db: change of the whole file's level, 0 or less.
        limited_db: deepest reduction of the tips, 0 or more.
        tries: encodings that it took.
        size_bytes: of the file, tags and all.
        bitrate_kbps: of the file without its tags, on average.
    """

    gain_db: float
    limited_db: float
    tries: int
    size_bytes: int
    bitrate_kbps: float

    def measurements(self) -> dict[str, Measurement]:
        """Return what is to be told of it; what cannot be measured is left out."""
        digits = {"true_peak_dbtp": 3, "bitrate_kbps": 0}
        return {
            name: round(value, digits.get(name, 2)) if isinstance(value, float) else value
            for name, value in (asdict(self) | {"plr_lu": self.plr_lu}).items()
            if value is not None
        }


def deliver(
    path: Path,
    signal: Signal,
    encoding: Encoding,
    *,
    ceiling_dbtp: float | None,
    is_resampled: bool = False,
    tags: Tags | None = None,
    dither: Dither = "tpdf",
    seed: int = 0,
    notes: Notes,
) -> Delivered:
    """Write `signal` to `path`, whole or not at all, and measure the file by decoding it.

    Under a ceiling, a file that decodes more than 0.05 dB over it is limited lower by as much and
    encoded again, four times at most. Only tips change: as an MP3 of 320 kbit/s that costs 0.1 to
    0.4 LU at -9 LUFS, at -14 nothing. Without a ceiling a lossy file that decodes over 0 dBTP is
    lowered as a whole. Both are told, in dB. Samples over full scale are never clipped: without a
    ceiling the whole file is lowered so far that they fit.

    Args:
        path: where it goes; what is there is replaced.
        signal: float32 at the rate that the file will have.
        encoding: container, bit depth, bit rate.
        ceiling_dbtp: highest level allowed between the samples, <= 0; None where nothing was
            promised.
        is_resampled: it was limited at another rate, so tips between the samples may have grown:
            they are limited before it is encoded.
        tags: written into the file; a WAV over 4 GB has none.
        dither: at 16 bit; see `stemfx.dsp.dither`.
        seed: of the dither.
        notes: where what was done is told.

    Raises:
        TagError: the cover cannot be used.
        OutputError: the file cannot be written, or does not decode to what was stored.
        DiskFullError: no space left.
    """
    if encoding.bit_depth == 16 and dither == "shaped" and not can_shape(signal.sample_rate):
        notes.find(
            "info",
            "dither_not_shaped",
            f"at {signal.sample_rate:,} Hz the dither is white noise: it can be shaped at 44,100 "
            "and 48,000 Hz",
            entries("in output", dither="tpdf"),
        )
    writer = _Writer(path, encoding, _tagging(path, signal, encoding, tags, notes), dither, seed)
    highest_dbtp = FULL_SCALE_DBTP if encoding.is_lossy else None
    if ceiling_dbtp is not None:
        highest_dbtp = ceiling_dbtp
    version, first_over_db = _Version(signal, ceiling_dbtp=ceiling_dbtp), 0.0
    if is_resampled and ceiling_dbtp is not None:
        version = _limited(signal, ceiling_dbtp)
    elif encoding.is_integer and (peak := peak_of(signal)) > 1.0:
        version, first_over_db = _that_fits(version, path, peak, notes)
    for n_tries in range(1, MAX_TRIES + 1):
        try:
            done = writer.write(version, None if n_tries == MAX_TRIES else highest_dbtp, n_tries)
        except _TooHighError as error:
            first_over_db = first_over_db or error.over_db
            version = version.lowered(signal, error.over_db, is_last=n_tries + 1 == MAX_TRIES)
        else:
            break
    if first_over_db:
        message = f"{path.name}: {_what_was_lowered(done, encoding, first_over_db)}"
        # Under a ceiling only tips are turned down.
        fix = _ceiling(-1.0) if done.gain_db and ceiling_dbtp is None else None
        notes.find("info", "encoded_lower", message, fix)
    for code, message, fix in _faults(done, signal, highest_dbtp):
        notes.find("warn", code, f"{path.name} {message}", fix)
    return done


def _ceiling(ceiling_dbtp: float) -> str:
    return placed(LAST_IN_MASTER, stage_line("limiter", ceiling_dbtp=round(ceiling_dbtp, 1)))


# ------------------------------------------------------------------------ what is encoded


class _TooHighError(Exception):
    """The file decodes too high, so it does not get its name."""

    def __init__(self, over_db: float) -> None:
        super().__init__()
        self.over_db = over_db


@dataclass(frozen=True)
class _Version:
    """A signal to encode, and what was done to the one that was given."""

    signal: Signal
    gain_db: float = 0.0
    limited_db: float = 0.0
    ceiling_dbtp: float | None = None

    def lowered(self, source: Signal, over_db: float, *, is_last: bool) -> _Version:
        """Return the tips of `source` turned down further; at last, or without a ceiling, all."""
        if self.ceiling_dbtp is None or is_last:
            margin_db = LAST_MARGIN_DB if is_last else MARGIN_DB
            return replace(self, gain_db=self.gain_db - over_db - margin_db)
        return _limited(source, self.ceiling_dbtp - over_db - MARGIN_DB)


def _limited(source: Signal, ceiling_dbtp: float) -> _Version:
    limited = limit(source.blocks, source, ceiling_dbtp)
    return _Version(limited.signal, limited_db=limited.max_reduction_db, ceiling_dbtp=ceiling_dbtp)


def _that_fits(version: _Version, path: Path, peak: float, notes: Notes) -> tuple[_Version, float]:
    """Return what integers can hold, and by how many dB it was over its ceiling.

    Without a ceiling the whole signal is lowered.
    """
    if version.ceiling_dbtp is not None:
        limited = _limited(version.signal, version.ceiling_dbtp)
        return limited, gain_to_db(peak) - version.ceiling_dbtp
    gain_db = SAFE_PEAK_DBFS - gain_to_db(peak)
    fix = stage_line("loudness", target_lufs=-14, ceiling_dbtp=-1)
    notes.find(
        "warn",
        "lowered_to_avoid_clipping",
        f"the mix peaks at {gain_to_db(peak):+.1f} dBFS and would clip in {path.name}; the whole "
        f"master was lowered by {-gain_db:.1f} dB. To choose the level yourself add to `master`: "
        f"{fix}",
        placed(LAST_IN_MASTER, fix),
    )
    return replace(version, gain_db=gain_db), 0.0


# ------------------------------------------------------------------------ the file


@dataclass(frozen=True)
class _Tagging:
    """Tags, ready to be written: those of a WAV are `chunks`, the others are put in later."""

    tags: Tags | None = None
    cover: Cover | None = None
    chunks: bytes = b""

    def put(self, path: Path, file_format: str) -> None:
        """Put the tags into a file other than a WAV."""
        if self.tags is not None:
            write_tags(path, file_format, self.tags, self.cover)


def _tagging(
    path: Path, signal: Signal, encoding: Encoding, tags: Tags | None, notes: Notes
) -> _Tagging:
    if tags is None or tags == Tags():
        return _Tagging()
    cover = None if tags.cover is None else read_cover(tags.cover)
    if encoding.format != "wav":
        return _Tagging(tags, cover)
    chunks = wav_chunks(tags, cover)
    if fits_wav(signal, encoding, len(chunks)):
        return _Tagging(chunks=chunks)
    notes.find(
        "warn",
        "tags_left_out",
        f"{path.name} has no tags: it is over 4 GB, so it is an RF64, where players do not look "
        "for them; write a flac, too",
    )
    return _Tagging()


@dataclass(frozen=True)
class _Writer:
    """Writes versions of one signal to one file."""

    path: Path
    encoding: Encoding
    tagging: _Tagging
    dither: Dither
    seed: int

    def write(self, version: _Version, highest_dbtp: float | None, n_tries: int) -> Delivered:
        """Write the file and measure it.

        Raises:
            _TooHighError: it decodes higher than allowed; then there is no file.
        """
        found: list[Delivered] = []
        gain = db_to_gain(version.gain_db) if version.gain_db else 1.0

        def finish(written: Written) -> None:
            n_bytes = written.path.stat().st_size - len(self.tagging.chunks)
            with writing_to(self.path):
                self.tagging.put(written.path, self.encoding.format)
            decoded = decode(written, version.signal, gain, self.path)
            peak_dbtp = decoded.true_peak_dbtp
            if highest_dbtp is not None and peak_dbtp is not None:
                over_db = peak_dbtp - highest_dbtp
                if over_db > TOLERANCE_DB:
                    raise _TooHighError(over_db)
            found.append(
                Delivered(
                    **asdict(decoded),
                    gain_db=version.gain_db,
                    limited_db=version.limited_db,
                    tries=n_tries,
                    size_bytes=written.path.stat().st_size,
                    bitrate_kbps=0.008 * n_bytes * version.signal.sample_rate / decoded.n_samples,
                )
            )

        write(
            self.path,
            version.signal,
            self.encoding,
            gain=gain,
            chunks=self.tagging.chunks,
            dither=self.dither,
            seed=self.seed,
            finish=finish,
        )
        return found[0]


# ------------------------------------------------------------------------ what is told


def _what_was_lowered(done: Delivered, encoding: Encoding, over_db: float) -> str:
    how = [
        f"its loudest tips were limited by up to {done.limited_db:.1f} dB more"
        if done.limited_db
        else "",
        f"the whole file was lowered by {-done.gain_db:.1f} dB" if done.gain_db else "",
    ]
    cause = f"{encoding.format.upper()} coding" if encoding.is_lossy else "what follows the limiter"
    return (
        f"{cause} raises peaks: the decoded file was {over_db:.2f} dB too high, so "
        f"{' and '.join(filter(None, how))}; it now decodes to {done.true_peak_dbtp:.2f} dBTP"
    )


def _faults(
    done: Delivered, signal: Signal, highest_dbtp: float | None
) -> Iterator[tuple[str, str, str | None]]:
    """Yield what the file is not, though it was tried: code, message and fix."""
    peak_dbtp = done.true_peak_dbtp
    if highest_dbtp is not None and peak_dbtp is not None:
        over_db = peak_dbtp - highest_dbtp
        if over_db > TOLERANCE_DB:
            yield (
                "decoded_over_ceiling",
                f"decodes to {peak_dbtp:.2f} dBTP, {over_db:.2f} dB too high, in each try",
                _ceiling(max(-24.0, highest_dbtp - over_db - 0.05)),
            )
    if done.n_samples != signal.n_samples:
        yield (
            "decoded_length",
            f"decodes to {done.n_samples:,} samples instead of {signal.n_samples:,}",
            None,
        )
    if done.coding_error_db is not None and done.coding_error_db > ANOTHER_SOUND_DB:
        yield (
            "decoded_otherwise",
            f"differs from the master by {done.coding_error_db:+.1f} dB of its level; listen to it",
            None,
        )
