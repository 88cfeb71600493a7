"""Finding things by name."""

import sys

import pytest

from instrument import catalog
from instrument.bend import OPS
from instrument.parameters import declared

KINDS = ["inputs", "modulators", "walks", "generators", "outputs"]
METHODS = {
    "inputs": ["poll", "close"],
    "modulators": ["step"],
    "walks": ["step"],
    "generators": ["layers", "map", "render"],
    "outputs": ["show", "close", "delivery", "target"],
}


def answer(call, *arguments):
    with pytest.raises(KeyError) as refused:
        call(*arguments)
    (line,) = refused.value.args[0].splitlines()
    return line


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in catalog.plugs(kind)])
def test_every_file_in_a_folder_of_plugs_is_one(kind, name):
    found = catalog.plug(kind, name)
    assert found.__module__ == f"instrument.{kind}.{name}" and found.__name__ == catalog.CLASSES[kind]
    assert found.__doc__ and sys.modules[found.__module__].__doc__
    for method in METHODS[kind]:
        assert hasattr(found, method)
    for method in ("step", "render"):
        if hasattr(found, method):
            declared(getattr(found, method))


def test_there_are_the_plugs_that_patches_name():
    assert {"audio", "keys", "midi", "osc", "take"} <= set(catalog.plugs("inputs"))
    assert {"drift", "orbit", "keyframes"} <= set(catalog.plugs("walks"))
    assert "stylegan2" in catalog.plugs("generators")


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("walks", "drfit", "no walk 'drfit'; did you mean 'drift'?"),
        ("inputs", "mide", "no input 'mide'; did you mean 'midi'?"),
        ("outputs", "windwo", "no output 'windwo'; did you mean 'window'?"),
        ("modulators", "__init__", "no modulator '__init__'"),
        ("generators", "../catalog", "no generator '../catalog'"),
    ],
)
def test_a_wrong_plug_is_answered_with_the_nearest_and_all_there_are(kind, name, words):
    line = answer(catalog.plug, kind, name)
    assert line.startswith(words) and "There is: " in line
    assert all(there in line for there in catalog.plugs(kind))


def test_a_wrong_op_is_answered_with_the_nearest():
    assert "no op 'trun'; did you mean 'turn'?" in answer(catalog.op, "trun")


def test_ops_are_found_whatever_file_they_are_in():
    for name in ("gain", "zoom", "grain"):
        assert catalog.op(name) is OPS[name]


def test_data_is_found_by_name_by_path_and_where_one_works_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = catalog.data("scenes", "first-light")
    assert shipped.name == "first-light.toml" and tmp_path not in shipped.parents
    (tmp_path / "scenes").mkdir()
    for name in ("first-light", "mine"):
        (tmp_path / "scenes" / f"{name}.toml").write_text("")
        assert catalog.data("scenes", name) == tmp_path / "scenes" / f"{name}.toml", "one's own goes first"
    (tmp_path / "elsewhere.toml").write_text("")
    assert catalog.data("scenes", "elsewhere.toml").resolve() == tmp_path / "elsewhere.toml"
    assert catalog.data("scenes", str(tmp_path / "elsewhere.toml")) == tmp_path / "elsewhere.toml"
    assert {"mine", "undertow"} <= catalog.names("scenes").keys()


def test_what_is_written_down_is_found_again_from_any_folder(tmp_path, monkeypatch):
    for folder in ("here", "there"):
        for name in ("scenes/first-light.toml", "models/untrained/model.toml", "patches/mine.toml"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text("")
    shipped = {kind: {name: catalog.data(kind, name) for name in catalog.names(kind)} for kind in catalog.DATA}
    monkeypatch.chdir(tmp_path / "here")
    own = {
        ("scenes", "first-light"): tmp_path / "here" / "scenes" / "first-light.toml",
        ("models", "untrained"): tmp_path / "here" / "models" / "untrained",
        ("patches", "patches/mine.toml"): tmp_path / "here" / "patches" / "mine.toml",
    }
    written = {key: catalog.kept(key[0], catalog.data(*key)) for key in own}
    for there in (tmp_path / "there", tmp_path / "here", tmp_path):
        monkeypatch.chdir(there)
        assert {key: catalog.recalled(key[0], text) for key, text in written.items()} == own
        for kind, things in shipped.items():
            for name, path in things.items():
                assert catalog.kept(kind, path) == name and catalog.recalled(kind, name) == path


def test_a_model_is_a_folder_with_a_model_toml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert "no model 'mine'" in answer(catalog.data, "models", "mine")
    (tmp_path / "models" / "mine" / "model.toml").write_text("")
    assert catalog.data("models", "mine") == tmp_path / "models" / "mine"
    assert catalog.data("models", str(tmp_path / "models" / "mine")) == tmp_path / "models" / "mine"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("scenes", "overdriv", "no scene 'overdriv'; did you mean 'overdrive'?"),
        ("patches", "audoi", "no patch 'audoi'; did you mean 'audio'?"),
        ("models", "untraind", "no model 'untraind'; did you mean 'untrained'?"),
        ("scenes", "nowhere.toml", "no scene 'nowhere.toml'"),
        ("patches", "", "no patch ''"),
    ],
)
def test_wrong_data_is_answered_with_the_nearest(kind, name, words):
    assert answer(catalog.data, kind, name).startswith(words)


def test_a_folder_of_ones_own_adds_plugs_of_every_kind(tmp_path, monkeypatch):
    import instrument.bends
    import instrument.walks

    for package in (instrument.walks, instrument.bends):
        monkeypatch.setattr(package, "__path__", list(package.__path__))
    monkeypatch.setattr(catalog, "PLUGS", str(tmp_path))
    for kind in ("walks", "bends"):
        (tmp_path / kind).mkdir()
    (tmp_path / "walks" / "still_standing.py").write_text("class Walk:\n    pass\n")
    (tmp_path / "bends" / "mine_only.py").write_text(
        "from instrument.bend import op\n\n@op\ndef mine_only(x):\n    return x\n"
    )
    try:
        assert {"still_standing", "drift"} <= set(catalog.plugs("walks"))
        assert catalog.plug("walks", "still_standing").__module__ == "instrument.walks.still_standing"
        assert catalog.op("mine_only").name == "mine_only"
    finally:
        OPS.pop("mine_only", None)
        for name in ("instrument.walks.still_standing", "instrument.bends.mine_only"):
            sys.modules.pop(name, None)
