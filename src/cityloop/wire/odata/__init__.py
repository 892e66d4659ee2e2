"""OData as SensorThings uses it: resource paths, query options and expressions. Text in, frozen values out."""

from cityloop.wire.odata.ast import (
    Binary,
    Call,
    Expr,
    Literal,
    LiteralKind,
    Member,
    Negate,
    Not,
    ODataError,
    render,
)
from cityloop.wire.odata.parser import parse_expression
from cityloop.wire.odata.path import Step, parse_path
from cityloop.wire.odata.query import Expand, Order, Query, parse_query, parse_query_string, render_query

__all__ = [
    "Binary",
    "Call",
    "Expand",
    "Expr",
    "Literal",
    "LiteralKind",
    "Member",
    "Negate",
    "Not",
    "ODataError",
    "Order",
    "Query",
    "Step",
    "parse_expression",
    "parse_path",
    "parse_query",
    "parse_query_string",
    "render",
    "render_query",
]
