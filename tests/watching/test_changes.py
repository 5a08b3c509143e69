"""Every sequence of looks is given, and the clock with it: nothing here waits."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from stemfx.watching import Watch, look
from stemfx.watching.changes import MOST_IN_A_FOLDER, Seen

RECIPE, KIT = Path("/r.yaml"), Path("/kit")
OLD, NEW, NEWER = (10, 1, 7), (12, 2, 7), (14, 3, 7)


class Disk:
    """Files that are what a test says, and a clock that a test moves."""

    def __init__(self) -> None:
        self.files: dict[Path, tuple[int, int, int]] = {RECIPE: OLD}
        self.now_s = 100.0
        self.n_looks = 0

    def look(self, paths: Collection[Path]) -> Seen:
        self.n_looks += 1
        return {
            path: {f: s for f, s in self.files.items() if f == path or path in f.parents}
            for path in paths
        }

    def watch(self, *paths: Path) -> Watch:
        watch = Watch(self.look, lambda: self.now_s, interval_s=0.2)
        watch.follow(paths)
        watch.begin()
        return watch

    def looked(self, watch: Watch) -> bool:
        """Return what the next look says."""
        self.now_s += 0.2
        return watch.has_changed()


def test_a_save_counts_once_two_looks_agree_and_never_before() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE)
    assert not disk.looked(watch)
    disk.files[RECIPE] = NEW
    assert not disk.looked(watch)
    disk.files[RECIPE] = NEWER  # still written
    assert not disk.looked(watch)
    assert disk.looked(watch)
    assert watch.changed == (RECIPE,)


def test_a_file_that_is_deleted_and_made_again_changed_once() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE)
    del disk.files[RECIPE]
    assert not disk.looked(watch)
    disk.files[RECIPE] = (10, 1, 8)  # another file with the size and time of the old one
    assert not disk.looked(watch)
    assert disk.looked(watch)
    watch.begin()
    assert not any(disk.looked(watch) for _ in range(5))


def test_what_is_back_as_it_was_has_not_changed() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE)
    del disk.files[RECIPE]
    assert not disk.looked(watch)
    disk.files[RECIPE] = OLD
    assert not any(disk.looked(watch) for _ in range(5))


def test_a_save_between_the_look_and_the_reading_is_a_change() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE)
    disk.files[RECIPE] = NEW  # `begin` saw the old one; who reads now reads this
    disk.looked(watch)
    assert disk.looked(watch)


def test_a_file_that_is_followed_only_now_has_to_be_read_again() -> None:
    disk = Disk()
    disk.files[KIT] = OLD
    watch = disk.watch(RECIPE)
    assert watch.follow([RECIPE])
    assert not watch.follow([RECIPE, KIT])
    assert watch.follow([RECIPE, KIT])
    disk.files[KIT] = NEW
    disk.looked(watch)
    assert disk.looked(watch)
    assert watch.changed == (KIT,)


def test_a_file_that_is_followed_no_more_changes_nothing() -> None:
    disk = Disk()
    disk.files[KIT] = OLD
    watch = disk.watch(RECIPE, KIT)
    assert watch.follow([RECIPE])
    disk.files[KIT] = NEW
    assert not any(disk.looked(watch) for _ in range(3))


def test_a_file_that_comes_to_a_folder_or_to_an_empty_place_is_a_change() -> None:
    disk = Disk()
    missing, sound = Path("/missing.wav"), KIT / "snare.wav"
    watch = disk.watch(RECIPE, KIT, missing)
    disk.files |= {missing: NEW, sound: NEW}
    disk.looked(watch)
    assert disk.looked(watch)
    assert watch.changed == (sound, missing)


def test_a_result_in_a_watched_folder_starts_no_render_but_the_file_beside_it_does() -> None:
    disk = Disk()
    result, sound = KIT / "out.wav", KIT / "kick.wav"
    disk.files |= {result: OLD, sound: OLD}
    watch = disk.watch(RECIPE, KIT)
    watch.ignore([result])
    disk.files[result] = NEW
    assert not any(disk.looked(watch) for _ in range(3))
    disk.files |= {result: NEWER, sound: NEW}
    disk.looked(watch)
    disk.files[result] = (16, 4, 7)  # never at rest while it is written
    assert disk.looked(watch)
    assert watch.changed == (sound,)


def test_a_file_that_is_no_result_any_more_is_watched_again() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE, KIT)
    watch.ignore([KIT])
    watch.begin()
    disk.files[KIT] = NEW
    disk.looked(watch)
    assert disk.looked(watch)


def test_the_disk_is_looked_at_no_more_often_than_the_interval_says() -> None:
    disk = Disk()
    watch = disk.watch(RECIPE)
    before = disk.n_looks
    for _ in range(1_000):
        watch.has_changed()
    assert disk.n_looks == before
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        disk.now_s += seconds
        disk.files[RECIPE] = NEW

    watch.wait(sleep)
    assert len(slept) == 2
    assert max(slept) <= 0.2 + 1e-9


def test_real_files_are_told_apart_by_size_time_and_identity(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    assert look([file]) == {file: {}}
    seen = []

    def note() -> None:
        seen.append(look([file])[file][file])

    file.write_text("a")
    os.utime(file, ns=(0, 1_000))
    note()
    os.utime(file, ns=(0, 2_000))
    note()
    file.write_text("ab")
    os.utime(file, ns=(0, 2_000))
    note()
    other = tmp_path / "other"
    other.write_text("cd")
    os.utime(other, ns=(0, 2_000))
    other.replace(file)
    note()
    assert len(set(seen)) == 4


def test_of_a_folder_visible_files_at_every_depth_are_looked_at_up_to_a_limit(
    tmp_path: Path,
) -> None:
    names = ["kick/hard.wav", "kick/soft.wav", "snare.wav"]
    for name in [*names, ".hidden", ".git/config"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(look([tmp_path])[tmp_path]) == {tmp_path / name for name in names}
    for i in range(MOST_IN_A_FOLDER + 1):
        (tmp_path / str(i)).touch()
    assert len(look([tmp_path])[tmp_path]) == MOST_IN_A_FOLDER


def test_paths_that_cannot_be_looked_at_are_empty_places(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    odd = [loop, tmp_path / ("x" * 5_000), Path("nul\0")]
    assert all(not files for files in look(odd).values())
