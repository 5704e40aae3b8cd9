"""vigra's random forests in a project: checked, flattened, never unpickled.

Source: vigra rf_nodeproxy.hxx, rf_decisionTree.hxx; ilastik parallelVigraRfLazyflowClassifier.py.
"""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.model.project import Forest, Trees

if TYPE_CHECKING:
    from fijibridge.formats._ilp.nodes import Node

__all__ = ["read_forest"]

_KNOWN = "ParallelVigraRfLazyflowClassifier"
_LEAF = 0x40000000
_MAX_CLASSES = 4096
#: Numbers of a tree, and nodes of a forest: far beyond what anybody labels.
_MAX_TOPOLOGY = 1 << 24
_MAX_NODES = 1 << 25
#: Opcodes of a pickle that only names a class.
_NAMING = frozenset(
    (
        *("PROTO", "FRAME", "GLOBAL", "SHORT_BINUNICODE", "BINUNICODE"),
        *("MEMOIZE", "PUT", "BINPUT", "STACK_GLOBAL", "STOP"),
    )
)


def _class_name(pickled: bytes) -> str:
    """Return the class that a pickle names, by looking at it; it is never loaded."""
    words: list[str] = []
    try:
        for code, value, _ in pickletools.genops(pickled):
            if code.name not in _NAMING:
                return f"a pickle with {code.name}"
            if isinstance(value, str) and code.name not in {"PUT", "BINPUT"}:
                words += value.split()
    except Exception:  # noqa: BLE001  # the parser of the standard library raises what it pleases
        return f"unreadable: {pickled[:40]!r}"
    return ".".join(words[-2:])


def _check_kind(group: Node) -> None:
    if "pickled_type" not in group:
        return
    named = _class_name(group.raw("pickled_type"))
    if named.rpartition(".")[2] != _KNOWN:
        raise UnsupportedError(
            f"{group.what} was trained with another classifier ({named}); only ilastik's own "
            f"random forest ({_KNOWN}) runs natively.",
            "Choose ilastik's Parallel Random Forest (VIGRA) there and train again.",
        )


def read_forest(group: Node) -> Forest:
    """Return the classifier of a ``ClassifierForests`` group.

    Raises
    ------
    FormatError
        When it is damaged.
    UnsupportedError
        When it is another kind of classifier.
    """
    _check_kind(group)
    forests: list[Trees] = []
    columns, labels = 0, tuple[int, ...]()
    for node in group.nodes("Forest"):
        trees, width, known = _trees(node)
        if forests and (width, known) != (columns, labels):
            raise FormatError(
                f"{group.what}: {node.name} has {width} features and the labels {known}, the "
                f"forests before it have {columns} and {labels}."
            )
        forests.append(trees)
        columns, labels = width, known
    if not forests:
        raise FormatError(
            f"{group.what} holds no trained classifier.",
            "Open it in ilastik, press Live Update once, and save it.",
        )
    known = labels
    if "known_labels" in group:
        known = tuple(int(v) for v in group.numbers("known_labels"))
        if len(known) != len(labels):
            raise FormatError(
                f"{group.what} knows the labels {known}, its forests have {len(labels)} classes."
            )
    if len(set(known)) != len(known) or not all(1 <= v <= _MAX_CLASSES for v in known):
        raise FormatError(f"{group.what} knows the labels {known}; they are numbered from 1.")
    names = group.texts("feature_names") if "feature_names" in group else ()
    return Forest(
        forests=tuple(forests),
        columns=columns,
        classes=len(labels),
        known_labels=known,
        feature_names=names,
    )


def _trees(node: Node) -> tuple[Trees, int, tuple[int, ...]]:
    ext, options = node.node("_ext_param"), node.node("_options")
    columns, classes = ext.integer("column_count_"), ext.integer("class_count_")
    if not 1 <= columns <= 1 << 20 or not 1 <= classes <= _MAX_CLASSES:
        raise FormatError(f"{node.what}: {node.name} has {columns} features, {classes} classes.")
    labels = tuple(int(v) for v in ext.numbers("labels"))
    if len(labels) != classes:
        raise FormatError(f"{node.what}: {node.name} has {classes} classes, labels {labels}.")
    names = sorted(node.names("Tree_"), key=lambda name: _number(name, node))
    if len(names) != options.integer("tree_count_") or not names:
        raise FormatError(
            f"{node.what}: {node.name} says that it has {options.integer('tree_count_')} trees; "
            f"it has {len(names)}."
        )
    weighted = options.integer("predict_weighted_") == 1
    flat = _Flat(columns, classes, weighted=weighted)
    for name in names:
        tree = node.node(name)
        flat.add(tree, tree.array("topology", "iu"), tree.array("parameters", "f"))
    return flat.trees(), columns, labels


def _number(name: str, node: Node) -> int:
    digits = name.removeprefix("Tree_")
    if not digits.isdecimal() or len(digits) > 9:
        raise FormatError(f"{node.what}: {node.name} has a tree named {name!r}.")
    return int(digits)


class _Flat:
    """Trees, one after the other."""

    def __init__(self, columns: int, classes: int, *, weighted: bool) -> None:
        self._columns, self._classes, self._weighted = columns, classes, weighted
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._votes: list[np.ndarray] = []
        self._roots: list[int] = []
        self._nodes = self._leaves = 0

    def add(self, node: Node, topology: np.ndarray, parameters: np.ndarray) -> None:
        """Add a tree; raise FormatError when it is none."""
        if not 4 <= topology.size <= _MAX_TOPOLOGY:
            raise FormatError(f"{node.what}: {node.name} is described by {topology.size} numbers.")
        topo, par = topology.ravel().tolist(), parameters.ravel().astype(np.float64)
        if topo[:2] != [self._columns, self._classes]:
            raise FormatError(f"{node.what}: {node.name} does not belong to its forest.")
        feature, places, left, right = self._walk(node, topo, par.size)
        at = np.array(places, np.int64)
        inner = np.array(feature, np.int32) >= 0
        threshold = np.where(inner, par[at + 1], 0.0)
        if np.isnan(threshold).any():
            raise FormatError(f"{node.what}: {node.name} compares with NaN.")
        leaf = at[~inner]
        votes = par[leaf[:, None] + 1 + np.arange(self._classes)]
        if not np.isfinite(votes).all():
            raise FormatError(
                f"{node.what}: {node.name} has a leaf with votes that are no numbers."
            )
        if self._weighted:
            votes *= par[leaf][:, None]
        rows = self._leaves + np.cumsum(~inner) - 1
        children = (
            np.where(inner, np.array(side, np.int64) + self._nodes, rows) for side in (left, right)
        )
        self._parts.append((np.array(feature), threshold, *children))
        self._votes.append(votes)
        self._roots.append(self._nodes)
        self._nodes += len(feature)
        self._leaves += len(leaf)
        if self._nodes > _MAX_NODES:
            raise FormatError(f"{node.what} has forests of more than {_MAX_NODES} nodes.")

    def _walk(
        self, node: Node, topo: list[int], size: int
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        """Return per node: feature (-1 in leaves), place of its parameters, children."""
        feature: list[int] = []
        places: list[int] = []
        left: list[int] = []
        right: list[int] = []
        end, columns, last = len(topo), self._columns, size - 1 - self._classes
        seen: set[int] = set()
        stack: list[tuple[int, int, list[int]]] = [(2, -1, left)]
        while stack:
            address, parent, side = stack.pop()
            if address in seen or not 2 <= address <= end - 2:
                raise FormatError(f"{node.what}: {node.name} is no tree (node {address}).")
            seen.add(address)
            me = len(feature)
            if parent >= 0:
                side[parent] = me
            kind, p = topo[address], topo[address + 1]
            if kind & _LEAF:
                if kind != _LEAF:
                    raise UnsupportedError(f"{node.what}: {node.name} has leaves of type {kind}.")
                if not 0 <= p <= last:
                    raise FormatError(f"{node.what}: {node.name} has a leaf without votes.")
                feature.append(-1)
            else:
                if kind != 0:
                    raise UnsupportedError(
                        f"{node.what}: {node.name} has nodes of type {kind}; ilastik writes "
                        "thresholds (0)."
                    )
                if address + 5 > end or not 0 <= p < size - 1:
                    raise FormatError(f"{node.what}: {node.name} ends within a node.")
                column = topo[address + 4]
                if not 0 <= column < columns:
                    raise FormatError(
                        f"{node.what}: {node.name} asks for feature {column} of {columns}."
                    )
                feature.append(column)
                stack.append((topo[address + 3], me, right))
                stack.append((topo[address + 2], me, left))
            places.append(p)
            left.append(-1)
            right.append(-1)
        return feature, places, left, right

    def trees(self) -> Trees:
        """Return all trees."""
        feature, threshold, left, right = (
            np.concatenate(parts) for parts in zip(*self._parts, strict=True)
        )
        return Trees(
            feature=feature.astype(np.int32),
            threshold=threshold,
            left=left.astype(np.int32),
            right=right.astype(np.int32),
            roots=np.array(self._roots, np.int32),
            votes=np.concatenate(self._votes),
        )
