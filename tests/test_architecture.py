"""The shape of the package, measured: its rooms, their sizes, and the arrows between them."""

import ast
import os
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "napari_rpsnn"


class Imports(ast.NodeVisitor):
    """Names that a module imports, in function bodies too, but not for types alone."""

    def __init__(self, package):
        self.package, self.names = package, set()

    def visit_If(self, node):
        if ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
        self.generic_visit(node)

    def visit_Import(self, node):
        self.names.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node):
        module = resolve_name("." * node.level + (node.module or ""), self.package)
        self.names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}


def import_graph(package):
    """Each module of a package, and those of the package that it imports."""
    files = {}
    for path in package.rglob("*.py"):
        *parents, name = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parents if name == "__init__" else [*parents, name])] = path
    graph = {}
    for module, path in files.items():
        imports = Imports(module if path.name == "__init__.py" else module.rpartition(".")[0])
        imports.visit(ast.parse(path.read_text(encoding="utf-8")))
        graph[module] = imports.names & files.keys() - {module}
    return graph


def longest_chain(graph):
    """The most modules of which each imports the next one; raises `CycleError`, with the circle, if there is one."""
    chains = {}
    for module in TopologicalSorter(graph).static_order():
        chains[module] = [module, *max((chains[name] for name in graph[module]), key=len, default=[])]
    return max(chains.values(), key=len)


def run_contracts(package):
    """What import-linter says of the package in a folder, by the contracts of this repository."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", REPOSITORY / "pyproject.toml"]
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    return subprocess.run(command, cwd=package.parent, env=environment, capture_output=True, text=True)


def test_no_folder_has_more_than_16_modules():
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    counts = {folder.name: len(set(folder.glob("*.py")) - {folder / "__init__.py"}) for folder in folders}
    assert max(counts.values()) >= 2
    assert not {name: count for name, count in counts.items() if count > 16}


def test_no_module_has_more_than_300_lines():
    lines = {
        path.relative_to(PACKAGE): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")
    }
    assert not {name: count for name, count in lines.items() if count > 300}


def test_imports_in_function_bodies_count_those_for_types_do_not(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "def f():\n    from package import b",
        "b": "if TYPE_CHECKING:\n    from package import a\nelse:\n    from .c import value",
        "c": "import package.d",
        "d": "import numpy",
    }.items():
        (package / f"{name}.py").write_text(text)
    graph = import_graph(package)
    assert longest_chain(graph) == ["package.a", "package.b", "package.c", "package.d"]
    graph["package.d"] = {"package.a"}
    with pytest.raises(CycleError):
        longest_chain(graph)


def test_no_import_is_a_circle():
    graph = import_graph(PACKAGE)
    assert graph["napari_rpsnn.engine.pairs.engine"] >= {
        "napari_rpsnn.engine.inference",
        "napari_rpsnn.model.pair_decider",
    }
    longest_chain(graph)


def test_no_chain_of_imports_is_longer_than_10_modules():
    chain = longest_chain(import_graph(PACKAGE))
    assert len(chain) <= 10, " → ".join(chain)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        (None, "", None),
        ("images/tiling.py", "from napari_rpsnn.engine import memory", "Rooms import downwards"),
        ("images/tiling.py", "def f():\n    import torch", "Images, files, measures and options need no torch"),
        ("plugin/panel.py", "import napari_rpsnn.training.loop", "Training is entered by its command"),
        ("training/loop.py", "from napari_rpsnn.fusion import fuse", "Training needs no public function of fusion"),
        ("stack.py", "def f():\n    import dask.array", "Only lazy and the shell's dask files know dask"),
        ("jobs/finding.py", "import napari", "Only the plugin knows napari and Qt"),
    ],
)
def test_a_wrong_arrow_breaks_a_contract(tmp_path, module, line, contract):
    package = Path(shutil.copytree(PACKAGE, tmp_path / "napari_rpsnn", ignore=shutil.ignore_patterns("weights")))
    if module:
        with (package / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    result = run_contracts(package)
    broken = [text for text in result.stdout.splitlines() if " BROKEN" in text]
    if contract is None:
        assert (result.returncode, broken) == (0, []), result.stdout + result.stderr
    else:
        assert result.returncode == 1
        assert len(broken) == 1
        assert broken[0].startswith(contract)
