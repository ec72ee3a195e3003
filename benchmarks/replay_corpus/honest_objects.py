"""Honest cells: reprs of objects, identities, hash order, errors and warnings."""

CELLS = r"""
### plain_objects
class Model:
    pass
m = Model()
print(m)
[m, Model(), m]
### functions_and_methods
class Shop:
    def sell(self): ...
s = Shop()
print(s.sell, Shop.sell, len, lambda x: x)
s.sell.__func__
### generators
g = (i for i in range(3))
print(g)
zip([1], [2]), map(str, [1]), iter([]), enumerate("a")
### coroutine_repr
import asyncio
async def fetch(n):
    await asyncio.sleep(0.001)
    return n
c = fetch(3)
print(c)
await c
### weakrefs
import weakref
class Node:
    def __init__(self, kid=None):
        self.kid = kid
a = Node(); b = Node(a)
print(weakref.ref(a), b.kid is a)
{"a": a, "kid of b": b.kid, "b": b}
### partials_and_modules
import functools, re, threading
def add(a, b): return a + b
print(functools.partial(add, 2))
print(threading.Lock(), re.compile("a+"))
functools.lru_cache(add)
### dataclass_fields
from dataclasses import dataclass, field
@dataclass
class Job:
    name: str
    run: object = field(default_factory=object)
Job("nightly")
### iterators_in_dict
import itertools
d = {"cycle": itertools.cycle("ab"), "rev": reversed([1, 2]), "file": open("/dev/null").buffer.raw}
for k, v in d.items():
    print(k, v)
### set_of_words
words = "the quick brown fox jumps over the lazy dog".split()
set(words)
### set_printed
print({"Oslo", "Lima", "Cairo", "Quito"}, "and", frozenset(["red", "green", "blue"]))
### dict_of_sets
groups = {"fruit": {"apple", "pear", "plum"}, "veg": {"leek", "kale", "chard"}, "n": {1, 2, 3}}
groups
### set_of_tuples
pairs = {("a", 1), ("b", 2), ("c, d", 3), ("(e)", 4)}
print("pairs:", pairs)
print(f"left: { {p[0] for p in pairs} }")
### unique_types
col = ["x", 1, 2.5, None, ("t",)]
{type(v) for v in col}
### set_difference
a = {"id", "name", "price", "city"}; b = {"id", "name"}
print("missing columns:", a - b)
print("all columns:", a | b)
### id_values
x = object()
print(f"id {id(x):#x}", hex(id(x)), x)
### ctypes_and_capsules
import ctypes, datetime
print(datetime.datetime_CAPI)
ctypes.c_int(5), ctypes.pointer(ctypes.c_int(7))
### sklearn_like
class Pipe:
    def __init__(self, steps): self.steps = steps
    def __repr__(self): return f"Pipe(steps={self.steps})"
class Scale: pass
Pipe([("scale", Scale()), ("f", lambda v: v)])
### user_warning
import warnings
warnings.warn("column 'price' has 3 missing values")
print("go on")
### numpy_warning
import numpy as np
print(np.array([1.0, 0.0, -1.0]) / 0.0)
np.log(np.array([-1.0]))
### pandas_warning
import pandas as pd, warnings
def load():
    warnings.warn("sep is deprecated, use delimiter", FutureWarning, stacklevel=2)
    return pd.Series([1, 2])
load().sum()
### module_warning
import sys, tempfile, pathlib, importlib
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "oldlib.py").write_text("import warnings\ndef f():\n  warnings.warn('old', DeprecationWarning)\n")
sys.path.insert(0, str(folder)); import warnings; warnings.simplefilter("always")
sys.modules.pop("oldlib", None); import oldlib; oldlib.f(); sys.path.pop(0)
### unawaited
import asyncio, gc
async def forgotten():
    return 1
forgotten()
gc.collect()
print("end")
### raise_value_error
def ratio(a, b):
    if b == 0:
        raise ValueError(f"cannot divide {a} by {b}")
    return a / b
ratio(3, 0)
### error_with_address
class Thing: pass
t = Thing()
raise RuntimeError(f"{t} is not ready, nor is {[t]}")
### print_exc
import sys, traceback
def inner(): return {}["missing"]
try:
    inner()
except KeyError:
    traceback.print_exc()
### format_exc
import traceback
try:
    import json; json.loads("{bad}")
except Exception:
    print(traceback.format_exc())
### temp_file_error
import tempfile, os
path = os.path.join(tempfile.mkdtemp(), "sales.csv")
open(path)
### exception_chain
try:
    [][1]
except IndexError as e:
    raise KeyError("order 17") from e
### attribute_error
class Cart:
    def __repr__(self): return f"<Cart at {hex(id(self))}>"
raise AttributeError(f"{Cart()!r} has no attribute 'total'")
### exception_group
raise ExceptionGroup("3 jobs failed", [ValueError(1), TypeError("x"), OSError(2, "no such file")])
"""
