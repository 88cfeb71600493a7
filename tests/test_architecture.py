"""Who may import whom, and what is nowhere: read from the sources, without running them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "instrument"
PLUG_FOLDERS = ["inputs", "modulators", "walks", "generators", "bends", "outputs"]
PURE_FOLDERS = ["listening", "latent"]
A_PLUG_MAY = {
    "flow",
    "parameters",
    "phase",
    "plugs",
    "queued",
    "bend",
    "take",
    "songs",
    "sound",
    "model",
    "networks",
    *PURE_FOLDERS,
}
A_PLUG_MAY |= {"midiclock", "told"}  # what others say of the tempo: pure
A_PLUG_MAY |= {"images", "media", "screen"}  # edges that several plugs share
EDGES = {  # each library of the outside world, and the one file that knows it
    "aiohttp": "outputs.preview",
    "av": "media",
    "cv2": "images",
    "librosa": "songs.scrutiny",
    "link": "inputs.link",
    "llvmlite": "networks.llvm",
    "mido": "inputs.midi",
    "moderngl": "screen",
    "NDIlib": "outputs.ndi",
    "openvino": "networks.program",
    "platformdirs": "places",
    "pygame": "screen",
    "pythonosc": "inputs.osc",
    "rtmidi": "inputs.midi",
    "safetensors": "model",
    "sounddevice": "sound.soundcard",
    "tomli_w": "model",
    "tqdm": "progress",
}
CLOCKS = {"clock", "queued", "report", "training.precision", "networks.race", "ladder", "threads"}


def name_of(path):
    """A module's name below `instrument`; a folder's own file has the folder's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
every_module = pytest.mark.parametrize("module", sorted(SOURCES))


def always(tree):
    """The statements that run when a module is imported: nothing inside a function, nothing for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from always(node)


def imports(module, nodes=ast.walk):
    """What a module imports, as full names; `from a import b` is a.b, and a too."""
    found = set()
    for node in nodes(SOURCES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by dots"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def ours(module, nodes=ast.walk):
    """Which of our modules a module imports."""
    below = {name.removeprefix("instrument.") for name in imports(module, nodes)}
    return {name for name in below if name in SOURCES and name != module}


def theirs(module, nodes=ast.walk):
    """Which packages of others a module imports."""
    return {name.partition(".")[0] for name in imports(module, nodes)} - {"instrument"}


def reached(module):
    """All of our modules that are imported when one is."""
    found, waiting = set(), [module]
    while waiting:
        for name in ours(waiting.pop(), always) - found:
            found.add(name)
            waiting.append(name)
    return found


def test_the_sources_are_all_here():
    assert {"flow", "rig", "bend", "bends.level", "commands.play", "inputs.osc", "__main__"} <= SOURCES.keys()
    assert ours("rig") >= {"flow", "matrix", "voice"} and "torch" in theirs("rig"), "this file can see imports"


# --- who may import whom


@pytest.mark.parametrize("module", ["flow", "parameters"])
def test_what_everything_stands_on_stands_on_nothing_of_ours(module):
    assert ours(module) == set()


@pytest.mark.parametrize("module", [name for name in SOURCES if name.partition(".")[0] in PLUG_FOLDERS and "." in name])
def test_a_plug_imports_only_what_plugs_may_and_never_another(module):
    roots = {name.partition(".")[0] for name in ours(module)}
    assert roots <= A_PLUG_MAY, f"{module} imports {sorted(roots - A_PLUG_MAY)}"


@pytest.mark.parametrize("module", [name for name in SOURCES if name.partition(".")[0] in PURE_FOLDERS])
def test_the_pure_folders_import_flow_and_themselves_alone(module):
    roots = {name.partition(".")[0] for name in ours(module)}
    assert roots <= {"flow", "parameters", module.partition(".")[0]}
    allowed = {"listening": {"numpy"}, "latent": {"torch"}}[module.partition(".")[0]]
    outside = theirs(module) - {"math", "collections", "dataclasses", "functools", "itertools", "pathlib", "typing"}
    assert outside <= allowed


@pytest.mark.parametrize("module", ["perform", "rig", "voice", "matrix", "bend", "packed", "master", "patch", "scene"])
def test_the_loop_and_what_it_is_made_of_reach_no_library_of_the_outside_world(module):
    for name in {module} | reached(module):
        assert not theirs(name, always) & EDGES.keys(), name
        assert name.partition(".")[0] not in PLUG_FOLDERS


def test_only_the_catalogue_and_the_tools_know_plugs_by_their_files():
    for module in SOURCES:
        at = module.partition(".")[0]
        plugs = {name for name in ours(module) if name.partition(".")[0] in PLUG_FOLDERS}
        if at in PLUG_FOLDERS:
            continue
        # what lists devices, mends and measures speaks to them directly
        assert not plugs or at in ("commands", "benchmarks"), f"{module} imports {sorted(plugs)}"
    assert not any(name.partition(".")[0] in PLUG_FOLDERS for name in ours("commands.play") | ours("commands.render"))


@every_module
def test_no_module_imports_itself_by_a_way_around(module):
    assert module not in reached(module), "an import cycle"


@every_module
def test_nothing_but_commands_imports_a_command(module):
    used = {name for name in ours(module) if name.partition(".")[0] in ("commands", "benchmarks", "__main__")}
    assert not used or module.partition(".")[0] in ("commands", "benchmarks", "__main__")


# --- libraries and clocks


@pytest.mark.parametrize("library", sorted(EDGES))
def test_each_library_of_the_outside_world_is_known_to_one_file(library):
    knowing = {module for module in SOURCES if library in theirs(module) and not module.startswith("benchmarks")}
    assert knowing <= {EDGES[library]}, "what speaks to the outside stays in its file"


def test_every_library_we_import_is_one_that_we_say_we_need():
    import sys
    import tomllib

    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    said = {item.split(">")[0].split(";")[0].strip().lower() for item in listed}
    packages = {
        "av": "av",
        "cv2": "opencv-python-headless",
        "pygame": "pygame-ce",
        "tomli_w": "tomli-w",
        "pythonosc": "python-osc",
    }
    packages |= {"rtmidi": "python-rtmidi", "NDIlib": "ndi-python", "link": "linkpython-extern"}
    for module in SOURCES:
        for name in theirs(module) - set(sys.stdlib_module_names):
            assert packages.get(name, name).lower() in said, f"{module} imports {name}"


@every_module
def test_only_the_clocks_and_the_edges_know_the_time(module):
    at_the_edge = module.partition(".")[0] in ("inputs", "outputs", "commands", "benchmarks") or module in (
        "screen",
        "media",
    )
    if module not in CLOCKS and not at_the_edge:
        assert not theirs(module) & {"time", "datetime"}


# --- what is nowhere


@every_module
def test_nothing_runs_what_it_has_read(module):
    assert not theirs(module) & {"pickle", "marshal", "shelve", "dill", "joblib"}
    for node in ast.walk(SOURCES[module]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "compile", "__import__"}, f"line {node.lineno}"
            assert called != "os.system", f"line {node.lineno}"
            keywords = {ast.unparse(item) for item in node.keywords}
            assert called != "np.load" or "allow_pickle=False" in keywords, f"line {node.lineno}"
            assert called != "torch.load" or "weights_only=True" in keywords, f"line {node.lineno}"
            assert not any(item.arg == "shell" for item in node.keywords), f"line {node.lineno}"


@every_module
def test_no_error_is_swallowed_unseen(module):
    for node in ast.walk(SOURCES[module]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            broad = ast.unparse(node.type) in ("Exception", "BaseException")
            assert not (broad and isinstance(node.body[0], ast.Pass)), f"line {node.lineno}"


@every_module
def test_every_module_says_what_it_is_for(module):
    said = ast.get_docstring(SOURCES[module])
    assert said and said.split("\n\n")[0].endswith("."), "one sentence first"


def test_modules_stay_small():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in ROOT.rglob("*.py")}
    assert sorted(lengths.values())[len(lengths) // 2] < 120, "lines, in the middle of them all"
    assert not {str(path): length for path, length in lengths.items() if length > 400}
