"""The rooms: who may import whom, and that no imports go round in a circle."""

import ast

import pytest
from graphlib import TopologicalSorter
from modules import ROOT

# Each room imports itself and what stands above it, as far as is said here.
ROOMS = {
    "infer.text": (),
    "infer": ("infer.text",),
    "inputs": ("infer.text",),
    "inputs.own": ("infer.text", "infer", "inputs"),
    "tf1": ("infer.text", "infer.ports", "inputs"),
    "scripts": ("infer.text", "infer.ports", "inputs", "tf1"),
    "export": ("infer.text", "infer"),
    "report": ("infer.text", "infer"),
    "bench": ("infer.text", "infer", "tf1", "scripts", "report"),
    "mk": ("infer.text",),
    "proof": ("infer.text", "mk"),
}


def name_of(path):
    """Returns the module's name of a file of the checkout; those of mk/ are called as they import each other."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "mk" else parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in ("tests", "build") and not path.relative_to(ROOT).parts[0].startswith(".")
}


def imports(path, nested=True):
    """Returns the names of the checkout's modules that a file imports, inside functions too if `nested`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name in MODULES} - {name_of(path)}


def room_of(name):
    """Returns the room of a module: a key of ROOMS, the longest that it begins with."""
    if MODULES[name].parent == ROOT:
        return "scripts"
    if MODULES[name].parent.name == "mk":
        return "mk"
    return max((room for room in ROOMS if f"{name}.".startswith(f"{room}.")), key=len)


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_what_stands_above_it(name):
    room = room_of(name)
    for other in imports(MODULES[name]):
        allowed = room_of(other) == room or any(f"{other}.".startswith(f"{above}.") for above in ROOMS[room])
        assert allowed or (room_of(other) in ROOMS[room]), f"{name} imports {other}"


def test_no_imports_go_round():
    TopologicalSorter({name: imports(path) for name, path in MODULES.items()}).prepare()


def test_every_room_has_something_in_it():
    assert {room_of(name) for name in MODULES} == set(ROOMS)
