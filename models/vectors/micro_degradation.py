"""Degradation operations with the inputs that a micro vector implies. Knows nothing of comparing."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from models.degradation.jpeg_model import jpeg_model
from models.degradation.kernels import Kernel, filter2d, gaussian, generalised_gaussian, pad, plateau, sinc, unsharp
from models.degradation.matlab import imresize
from models.vectors.micro import Operation, Source
from models.vectors.recipe import CaseError

Images = NDArray[np.float32]  # (N, 3, H, W)
_IMRESIZE = (64, 96, 3)  # of the format's description
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _imresize(s: Source, name: re.Match[str]) -> NDArray[np.float32]:
    size = Fraction(int(name["size"]), int(name["over"] or 1))
    if name["way"] == "d" and size > 1:
        size = 1 / size
    return imresize(s.unit("imresize_img", s.told_shape(_IMRESIZE)), size)


def _kernel(s: Source, name: re.Match[str]) -> Kernel:
    kernel = _told_kernel(s, name["kind"], name["size"])
    return pad(kernel, s.shape(2)[0]) if kernel.shape != s.expected.shape else kernel


def _told_kernel(s: Source, kind: str, size: str | None) -> Kernel:
    """A kernel by the parameters of the entry, such as `aniso(sx=2.5+o,sy=.8,theta)`.

    size: in the array's name; the edge, where the parameters do not say it. Raises CaseError.
    """
    entry = s.entry
    params = entry.get("params") if isinstance(entry, dict) else None
    if not isinstance(params, str):
        raise CaseError("the entry holds no params of kernels")
    known = {key: float(value) for key, value in entry.items() if isinstance(value, (int, float))} | {"pi": math.pi}
    told = [_arguments(text, known) for shape, text in re.findall(r"(\w+)\(([^()]*)\)", params) if shape == kind]
    fitting = [given for given in told if size is None or given.get("size", float(size)) == float(size)]
    if not fitting:
        raise CaseError(f"the params tell of no kernel {kind}{'' if size is None else f' of {size}'}")
    given = fitting[0]
    edge = int(given.get("size", float(size or s.shape(2)[0])))
    if kind == "sinc":
        return sinc(edge, _one(given, "omega"))
    if kind.endswith("aniso"):
        widths = _one(given, "sx"), _one(given, "sy"), _one(given, "theta")
    else:
        widths = _one(given, "sig"), _one(given, "sig"), 0.0
    if kind.startswith("gen_"):
        return generalised_gaussian(edge, *widths, _one(given, "beta"))
    if kind.startswith("plateau_"):
        return plateau(edge, *widths, _one(given, "beta"))
    return gaussian(edge, *widths)


def _arguments(text: str, known: Mapping[str, float]) -> dict[str, float]:
    """`size15,sig=1.5+o,beta=.7` -> numbers by name. A bare number is a size, then a width; a bare name itself."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, given, value = part.strip().partition("=")
        if given:
            found[name.strip()] = _value(value, known)
        elif size := re.fullmatch(r"(?:size)?\s*(\d+)", name):
            found["size"] = float(size[1])
        elif name in known:
            found[name] = known[name]
        else:
            found["sig"] = _value(name, known)
    return found


def _value(text: str, known: Mapping[str, float]) -> float:
    """A sum or product of numbers and known names, with or without words after it."""
    term = re.match(r"[\w.+\-*/ ]+?(?=\s+[A-Za-z]|$)", text.strip())

    def number(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in known:
            return known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](number(node.left), number(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -number(node.operand)
        raise CaseError(f"the parameter {text!r:.60} cannot be read")

    try:
        return number(ast.parse(term[0] if term else "", mode="eval").body)
    except SyntaxError as error:
        raise CaseError(f"the parameter {text!r:.60} cannot be read") from error


def _one(given: Mapping[str, float], name: str) -> float:
    if name not in given:
        raise CaseError(f"the params do not tell {name}")
    return given[name]


def _unsharp(s: Source, _name: re.Match[str]) -> Images:
    size = int(s.told(r"->\s*(\d+)", 51))
    amount, threshold = s.told(r"weight (\d*\.?\d+)", 0.5), s.told(r"threshold (\d+)", 10)
    return _each(s, "usm_img", lambda picture: unsharp(picture, size=size, amount=amount, threshold=threshold / 255))


def _filter(s: Source, name: re.Match[str]) -> Images:
    twin = Source(s.case, f"kernel_{name['kind']}_{name['size']}", s.expected)
    kernel = _told_kernel(twin, name["kind"], name["size"])
    return _each(s, "usm_img", lambda picture: filter2d(picture, kernel))


def _jpeg(s: Source, name: re.Match[str]) -> Images:
    return _each(s, "jpeg_img", lambda picture: jpeg_model(picture, float(name["quality"])))


def _each(s: Source, name: str, change: Callable[[Images], Images]) -> Images:
    """Pictures of the expected shape (N, 3, H, W), changed one by one as (H, W, 3)."""
    pictures = s.unit(name, s.shape(4))
    return np.stack([change(picture.transpose(1, 2, 0)).transpose(2, 0, 1) for picture in pictures])


_KIND = r"(?P<kind>gen_iso|gen_aniso|plateau_iso|plateau_aniso|iso|aniso|sinc)"

OPERATIONS: dict[str, Operation] = {
    r"imresize_(?P<way>[du])(?P<size>\d+)(?:o(?P<over>\d+))?": _imresize,
    rf"kernel_{_KIND}(?:_(?P<size>\d+))?(?:_.*)?": _kernel,
    r"usm_sharp": _unsharp,
    r"filter2D_(?P<kind>iso|aniso)(?P<size>\d+)": _filter,
    r"jpeg_q(?P<quality>\d+(?:\.\d+)?)": _jpeg,
}
