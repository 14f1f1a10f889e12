"""The scripts of this folder for one another: they have no suffix by which Python would find them."""
import importlib.machinery
import importlib.util
import sys
from pathlib import Path


def script(name):
    """The script beside this file, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(Path(__file__).resolve().parent / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module
    loader.exec_module(module)
    return module
