import pytest
from kit_making import layout

from stemfx.errors import KitError
from stemfx.kit_files import read_kit


@pytest.fixture
def manifest(put, folder):
    for name in ("a.wav", "b.wav", "c.wav", "kick.wav"):
        put(name)

    def write(text):
        (folder / "kit.yaml").write_text(text)
        return folder

    return write


def test_a_manifest_says_which_sample_is_which_drum(manifest):
    kit = read_kit(
        manifest("""
kit: 1
name: Tight
author: Ada
licence: CC0-1.0
classes:
  kick: a.wav
  snare: [a.wav, b.wav]
  tom:
    variants:
      High: a.wav
      low: {files: b.wav, gain_db: -2, tune_semitones: -3}
  hat_closed:
    choke: metal
    gain_db: 1
    layers:
      - {velocity: [0, 0.5], files: [a.wav, b.wav]}
      - {velocity: [0.5, 1], files: c.wav, gain_db: 1.5}
""")
    )
    assert (kit.name, kit.author, kit.licence) == ("Tight", "Ada", "CC0-1.0")
    assert kit.format == "kit.yaml"
    assert layout(kit) == {
        "kick": [("kick", [(0.0, 1.0, ["a.wav"])])],
        "snare": [("snare", [(0.0, 1.0, ["a.wav", "b.wav"])])],
        "hat_closed": [
            ("hat_closed", [(0.0, 0.5, ["a.wav", "b.wav"]), (0.5, 1.0, ["c.wav"])]),
        ],
        "tom": [("high", [(0.0, 1.0, ["a.wav"])]), ("low", [(0.0, 1.0, ["b.wav"])])],
    }
    (low,) = kit.drum("tom", "low").sources()
    assert (low.gain_db, low.tune_semitones) == (-2, -3)
    assert [s.gain_db for s in kit.drum("hat_closed").sources()] == [1, 1, 2.5]
    assert kit.choke_group("hat_closed") == "metal"
    assert [(each.name, each.reason) for each in kit.ignored] == [
        ("kick.wav", "kit.yaml does not list it")
    ]


def test_without_classes_the_names_of_the_files_say_the_drums(manifest):
    kit = read_kit(manifest("kit: 1\nname: Mine\nlicense: CC-BY-4.0\n"))
    assert (kit.name, kit.licence, kit.classes) == ("Mine", "CC-BY-4.0", ("kick",))


CASES = {
    "": "1:1: the file is empty; a kit starts with `kit: 1`",
    "- a": "1:1: a kit is a mapping that starts with `kit: 1`, not a list",
    "name: x": "1:1: kit.yaml: 'kit' is missing (version of the format: 1)",
    "kit: 2": "1:6: kit.yaml.kit: expects 1, got the number 2",
    "kit: 1\nlisence: x": "2:1: 'lisence' is unknown in kit.yaml; did you mean 'licence'?",
    "kit: 1\nclasses: [a.wav]": "2:10: classes: expects a mapping of drum classes, got a list",
    "kit: 1\nclasses:\n": "classes: expects a mapping of drum classes, got nothing",
    "kit: 1\nclasses: {kik: a.wav}": "2:11: 'kik' is unknown in classes; did you mean 'kick'?",
    "kit: 1\nclasses: {kick: gone.wav}": "2:17: 'gone.wav' is not there",
    "kit: 1\nclasses:\n  kick:\n    - a.wav\n    - ../b.wav": "5:7: '../b.wav' leads out",
    "kit: 1\nclasses: {kick: /etc/passwd}": "2:17: '/etc/passwd' is an absolute path",
    "kit: 1\nclasses: {kick: kit.yaml}": "2:17: ",
    "kit: 1\nclasses: {kick: 3}": "2:17: classes.kick.files: expects text or a list, got",
    "kit: 1\nclasses: {kick: []}": "2:11: classes.kick: it has no sample",
    "kit: 1\nclasses: {kick: {files: a.wav, gain_db: 99}}": "99 dB is outside [-60, 60] dB",
    "kit: 1\nclasses: {kick: {layers: [{files: a.wav, velocity: [0.5, 0.2]}]}}": "is no range",
    "kit: 1\nclasses: {kick: {layers: [{files: a.wav, velocity: [0, 2]}]}}": "2 is outside [0, 1]",
    "kit: 1\nclasses: {kick: {files: a.wav, layers: [{files: b.wav}]}}": "say the same twice",
    "kit: 1\nkit: 1": "2:1: 'kit' is given twice, first on line 1; keep one",
    "kit: 1\nname: !!python/object:os.system x": "is not allowed in a kit",
    "kit: 1\na: &a [x]\nb: *a\n<<: *a": "merge keys",
    "kit: 1\nx: " + "[" * 40 + "]" * 40: "a kit nests at most 32 levels deep",
    "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
    "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
    "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n": "a kit holds at most 20000 values",
}


@pytest.mark.parametrize(("text", "message"), CASES.items())
def test_a_bad_manifest_is_told_with_its_place(manifest, text, message):
    with pytest.raises(KitError) as caught:
        read_kit(manifest(text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(manifest(text) / "kit.yaml"))
    assert str(caught.value).count(f"{caught.value.where}:") == 1


def test_every_fault_is_told_at_once(manifest):
    with pytest.raises(KitError) as caught:
        read_kit(manifest("kit: 1\nnam: x\nclasses: {kick: gone.wav, kik: a.wav}"))
    assert len(caught.value.message.splitlines()) == 3
