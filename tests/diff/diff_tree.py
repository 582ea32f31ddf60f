"""Statements as trees of text, so that they can be made smaller by cutting."""


class Node:
    """A piece of a statement.

    kind   x     an expression of `type`: may become another one of that type below it, or a constant
           opt   may go
           list  items with `glue` between them, of which at least `least` must stay
           seq   nothing of these
    """
    __slots__ = ("kind", "type", "parts", "glue", "least")

    def __init__(self, kind, parts, type=None, glue="", least=1):
        self.kind, self.type, self.glue, self.least = kind, type, glue, least
        self.parts = parts

    def __str__(self):
        out = []
        write(self, out)
        return "".join(out)


def write(node, out):
    if isinstance(node, str):
        out.append(node)
        return
    for number, part in enumerate(node.parts):
        if number and node.glue:
            out.append(node.glue)
        write(part, out)


def x(type, *parts):
    return Node("x", list(parts), type)


def seq(*parts):
    return Node("seq", list(parts))


def opt(*parts):
    return Node("opt", list(parts))


def items(parts, glue=", ", least=1):
    return Node("list", list(parts), glue=glue, least=least)


def nodes(node, out=None):
    """All nodes, outer ones first."""
    out = [] if out is None else out
    if isinstance(node, Node):
        out.append(node)
        for part in node.parts:
            nodes(part, out)
    return out


def size(node):
    return len(str(node))
