"""Open mutated bundles on demand, and count what becomes of them.

    python tests/benchmarks/fuzz_bundles.py 20000

Bundles with a few files, with many, with music and with long names are mutated: bits flipped,
bytes replaced, inserted or cut, parts moved or copied, pieces of two bundles joined, numbers of the
headers set to their extremes (also where the checksums are put right again), and the manifest's
text changed within a zip that is put together rightly around it; every 100th input has one of the
heaviest manifests that are looked at. Each is opened in this process.

Printed: how many were opened, refused and crashed; the longest time of the processor (that by the
clock too, which other work on the machine makes longer); the most memory of the process. A crash is
any exception but `StemfxError`, and a bundle that opens with other files than its own. Fails on a
crash, on more than 2 s or on more than 500 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from bundling import FILES, RECIPE, bundle_bytes, manifest_of, zipped
from fuzzing import EXTREMES, cut, flip_bits, splice

from stemfx.bundle import opened_bundle
from stemfx.bundle.limits import MAX_KEYS, MAX_MANIFEST_BYTES
from stemfx.errors import StemfxError

LONGEST_S = 2.0
MOST_MB = 500
WORDS = [
    *(b"..", b"/", b"\\", b"\0", b"\n", b'"', b"{}", b"[]", b"-1", b"1e999", b"null", b"true"),
    *(b"\\ud800", b"\xff", b"99999999999999999999", b"[" * 5_000, b'{"a":' * 5_000),
    *(b"CON", b"C:", b"stemfx.json", b"remix.yaml", b"0" * 5_000, b"PK\x03\x04", b"PK\x06\x06"),
]


def seeds() -> list[dict[str, bytes]]:
    rng = random.Random(0)  # noqa: S311 - to be the same again
    many = {f"kits/k/{i:04}.wav": rng.randbytes(rng.randrange(40)) for i in range(300)}
    long = {"/".join(["ä" * 12] * n) + ".wav": b"x" * n for n in range(1, 8)}
    return [
        {"remix.yaml": RECIPE},
        FILES,
        {**many, "remix.yaml": RECIPE},
        {**long, "remix.yaml": RECIPE},
        {"remix.yaml": RECIPE, "sources/song.wav": rng.randbytes(5_000_000)},
    ]


def manifest_text(files: dict[str, bytes]) -> bytes:
    told = manifest_of(files)
    for name in files:
        if name.startswith("sources/"):
            told["files"][name]["role"] = "source"
            told["sources"] = {"song": name}
    return json.dumps(told).encode()


def heaviest() -> list[bytes]:
    """Return manifests of the largest size that make the most work and objects for it."""
    start = json.dumps(manifest_of(FILES))[:-1]
    most = MAX_MANIFEST_BYTES

    def filled(before: str, unit: str, after: str) -> bytes:
        n_units = (most - len(before) - len(after)) // len(unit)
        return (before + unit * n_units + after).encode()

    thousand = ",".join("0" * 1000)
    keys = ",".join(f'"{i:x}":0' for i in range(MAX_KEYS - 100))
    return [
        filled('{"stemfx_bundle":1,"x":[', "{},", "0]}"),
        filled('{"stemfx_bundle":1,"x":[', "[],", "0]}"),
        filled('{"stemfx_bundle":1,"x":[', "1.1,", "0]}"),
        filled('{"stemfx_bundle":1,"x":[', '"\\ud83d\\ude00",', "0]}"),
        filled('{"stemfx_bundle":1,"x":[', "9" * 4300 + ",", "0]}"),
        filled("", '{"x":', ""),
        filled(start + ',"title":"', "x", '"}'),
        (start + ',"plugins":[' + f'{{"offers":[{thousand}]}},' * 999 + "0]}").encode(),
        (start + f',"models":[{{"files":{{{keys}}}}}]}}').encode(),
        (start[: start.index('"files"')] + f'"files":{{{keys}}}}}').encode(),
    ]


Mutation = Callable[[bytearray, random.Random], None]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.choice([rng.choice(WORDS), rng.randbytes(rng.randrange(1, 100))])


def overwrite(data: bytearray, rng: random.Random) -> None:
    at, word = rng.randrange(len(data)), rng.choice(WORDS)
    data[at : at + len(word)] = word


def set_header_field(data: bytearray, rng: random.Random) -> None:
    """Set a number of one of the headers to an extreme, or to that of another header."""
    magic = rng.choice([b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"])
    places = [i for i in range(len(data) - 3) if data[i] == 80 and data[i : i + 4] == magic]
    if not places:
        return
    at = rng.choice(places) + rng.randrange(4, 46)
    kind = rng.choice(["<H", "<I"])
    if at + 4 <= len(data):
        value = rng.choice([*EXTREMES, rng.randrange(1 << 32)])
        struct.pack_into(kind, data, at, value & (0xFFFF if kind == "<H" else 0xFFFFFFFF))


MUTATIONS: list[Mutation] = [flip_bits, cut, insert, overwrite, splice, set_header_field]


def mutated(rng: random.Random, all_seeds: list[dict[str, bytes]]) -> tuple[str, bytes]:
    """Return the name of a way to mutate, and what it made of a bundle."""
    weights = [4, 4, 2, 2, 1]
    files = rng.choices(all_seeds, weights)[0]
    text = manifest_text(files)
    way = rng.choice(["manifest", "join", "right sums", *(m.__name__ for m in MUTATIONS)])
    if way in ("manifest", "right sums"):
        changed = bytearray(text)
        for _ in range(rng.randrange(1, 4)):
            rng.choice(MUTATIONS[:5])(changed, rng)
            changed = changed or bytearray(b"{")
        if way == "right sums":  # the JSON stays one: only values and names in it change
            changed = bytearray(_changed_values(text, rng))
        return way, bundle_bytes(files, bytes(changed))
    data = bytearray(bundle_bytes(files, text))
    if way == "join":
        other = rng.choice(all_seeds[:4])
        tail = zipped(other) if rng.random() < 0.5 else bundle_bytes(other, manifest_text(other))
        at = rng.randrange(len(tail))
        data = data[: rng.randrange(len(data))] + bytearray(tail[at:])
    else:
        mutation = next(m for m in MUTATIONS if m.__name__ == way)
        for _ in range(rng.randrange(1, 4)):
            if data:
                mutation(data, rng)
        _right_the_manifests_crc(data, rng)
    return way, bytes(data)


def _right_the_manifests_crc(data: bytearray, rng: random.Random) -> None:
    """In every second case let the manifest's checksum fit, so that what follows is reached."""
    if rng.random() < 0.5 and len(data) > 41:
        size = struct.unpack_from("<I", data, 18)[0]
        struct.pack_into("<I", data, 14, zlib.crc32(data[41 : 41 + size]))


def _changed_values(text: bytes, rng: random.Random) -> bytes:
    told = json.loads(text)
    odd = [None, True, -1, 1e300, 2**70, "", "..", "a/../b", "\ud800", [], {}, [[]], "x" * 300]
    for _ in range(rng.randrange(1, 4)):
        where = rng.choice([told, told["files"], *list(told["files"].values())[:5]])
        if isinstance(where, dict) and where:
            key = rng.choice(list(where))
            if rng.random() < 0.3:
                where[str(rng.choice(odd))] = where.pop(key)
            else:
                where[key] = rng.choice(odd)
        if not isinstance(told.get("files"), dict):
            break
    return json.dumps(told).encode()


def open_it(path: Path, originals: list[dict[str, bytes]], scratch: Path) -> str:
    try:
        with opened_bundle(path, beside=scratch) as (folder, _):
            found = {
                p.relative_to(folder).as_posix(): p.read_bytes()
                for p in folder.rglob("*")
                if p.is_file()
            }
    except StemfxError as refused:
        told = str(refused)
        return "refused" if told.isprintable() and len(told) < 1_000 else f"crash: says {told!r}"
    return "opened" if found in originals else "crash: opened with other files"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311
    all_seeds, heavy = seeds(), heaviest()
    counts: Counter[tuple[str, str]] = Counter()
    worst_s, worst_way, worst_wall_s, crashes = 0.0, "", 0.0, []
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as made:
        path, scratch = Path(made, "x.stemfx"), Path(made, "scratch")
        for i in range(options.n):
            if i % 100 == 0:
                way, data = "heaviest", bundle_bytes({}, heavy[i // 100 % len(heavy)])
            else:
                way, data = mutated(rng, all_seeds)
            path.write_bytes(data)
            start_wall, start = time.perf_counter(), time.process_time()
            try:
                ended = open_it(path, all_seeds, scratch)
            except Exception as error:  # noqa: BLE001 - a crash is what is looked for
                ended = f"crash: {type(error).__name__}: {error}"
            took_s = time.process_time() - start
            worst_wall_s = max(worst_wall_s, time.perf_counter() - start_wall)
            if took_s > worst_s:
                worst_s, worst_way = took_s, way
            if ended.startswith("crash"):
                crashes.append(f"input {i} ({way}): {ended[:300]}")
            if list(scratch.glob("*")):
                crashes.append(f"input {i} ({way}): left a folder")
            counts[way, ended.partition(":")[0]] += 1
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for (way, ended), count in sorted(counts.items()):
        print(f"{way:18} {ended:8} {count:7,}")
    print(f"inputs {options.n:,}, seed {options.seed}, crashes {len(crashes)}")
    print(
        f"longest {worst_s:.3f} s of the processor ({worst_way}), {worst_wall_s:.3f} s by the clock"
    )
    print(f"most memory {most_mb:.0f} MB", end=" ")
    print(f"(before the first input {before_mb:.0f} MB)")
    for crash in crashes[:20]:
        print(crash)
    if crashes or worst_s > LONGEST_S or most_mb > MOST_MB:
        sys.exit(1)


if __name__ == "__main__":
    main()
