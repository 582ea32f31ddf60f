"""Makes a statement smaller as long as it goes on to show the same difference."""
import time

from diff_tree import Node, nodes, size
from diff_types import PLAIN

SECONDS_MAX = 12


def smaller(node):
    """Ways to replace the parts of a node, the boldest first: lists of parts."""
    if node.kind == "opt" and node.parts:
        yield []
    if node.kind == "list" and len(node.parts) > node.least:
        half = len(node.parts) // 2
        if half >= max(node.least, 2):
            yield node.parts[:half]
            yield node.parts[half:]
        for number in range(len(node.parts)):
            yield node.parts[:number] + node.parts[number + 1:]
    if node.kind == "x":
        for below in nodes(node)[1:]:
            if below.kind == "x" and below.type == node.type:
                yield [below]
        plain = PLAIN.get(node.type, f"NULL::{node.type}")
        text = str(node)
        for constant in (plain, f"NULL::{node.type}"):
            if len(constant) < len(text):
                yield [constant]
    if node.kind == "seq" and not node.glue:
        for below in node.parts:
            # A subquery in parentheses for the set operation around it.
            if isinstance(below, Node) and below.kind == "seq" and str(below).startswith("SELECT") and \
                    str(node).startswith("(SELECT"):
                yield [below]


def reduce_tree(tree, still):
    """`still()` tells whether the tree, as it is then, shows the difference."""
    end = time.monotonic() + SECONDS_MAX
    again = True
    while again and time.monotonic() < end:
        again = False
        for node in nodes(tree):
            tried = 0
            for parts in list(smaller(node)):
                before, length = node.parts, size(tree)
                node.parts = parts
                tried += 1
                if size(tree) < length and still():
                    again = True
                    break
                node.parts = before
                if time.monotonic() > end:
                    return
            if again:
                break


def reduce_list(things, still):
    """The things that are needed, dropped one by one from the end, in halves first."""
    end = time.monotonic() + SECONDS_MAX
    step = max(1, len(things) // 2)
    while step >= 1 and time.monotonic() < end:
        at = len(things)
        while at > 0 and time.monotonic() < end:
            start = max(0, at - step)
            fewer = things[:start] + things[at:]
            if still(fewer):
                things = fewer
            at = start
        step //= 2
    return things
