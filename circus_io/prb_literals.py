"""What a ``.prb`` file says, found without running it.

Probe files are written as Python, so people write ranges, loops and small functions
in them. This reads that much of the language from the syntax tree, value by value:
nothing is imported, no attribute is reached, and the work is bounded.
"""

import ast
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from circus_io.errors import ProbeError
from circus_io.prb_values import (
    BUILTINS,
    COMPARISONS,
    METHODS,
    SCALARS,
    SEQUENCES,
    RefusedError,
    calculate,
    describe,
    dictionary_key,
    number,
    one_of,
    pairs,
)

__all__ = ["MAX_STEPS", "read_assignments"]

MAX_STEPS = 1_000_000
"""Nodes evaluated plus elements made; the largest array known (4225) needs 50 000."""

_MAX_SOURCE = 16 * 2**20


def read_assignments(source: str, file_name: str) -> dict[str, Any]:
    """Values of the names that a ``.prb`` source assigns at its top level.

    Parameters
    ----------
    source : str
        Text of the file.
    file_name : str
        Named in messages.

    Raises
    ------
    ProbeError
        With file and line: not Python, more than the allowed subset, or too much work.
    """
    return _Interpreter(file_name).run(source)


class _ReturnSignal(Exception):  # noqa: N818 - a signal, not an error
    def __init__(self, value: Any):
        self.value = value


class _BreakSignal(Exception):  # noqa: N818
    pass


class _ContinueSignal(Exception):  # noqa: N818
    pass


@dataclass(frozen=True)
class _Function:
    """A ``def`` of the file: plain arguments only."""

    name: str
    arguments: tuple[str, ...]
    defaults: tuple[Any, ...]
    body: list[ast.stmt]


class _Interpreter:
    """Walks the tree; each ``_<node>`` method handles one kind of node."""

    def __init__(self, file_name: str):
        self._file_name = file_name
        self._globals: dict[str, Any] = {}
        self._names: ChainMap = ChainMap(self._globals)
        self._steps = 0
        self._line = 1

    def run(self, source: str) -> dict[str, Any]:
        try:
            self._execute(_parse(source))
        except SyntaxError as error:
            raise self._error(error.lineno or 1, f"not Python: {error.msg}") from None
        except (_BreakSignal, _ContinueSignal, _ReturnSignal):
            raise self._error(self._line, "a statement outside of its block") from None
        except RecursionError:
            raise self._error(self._line, "nested too deeply") from None
        except (
            RefusedError,
            TypeError,
            ValueError,
            LookupError,
            ArithmeticError,
            MemoryError,
        ) as error:
            raise self._error(self._line, str(error) or type(error).__name__) from None
        return self._globals

    def _error(self, line: int, what: str) -> ProbeError:
        return ProbeError(
            f"{self._file_name}, line {line}: {what}. A probe file is read, not run: "
            "it may hold numbers, text, lists, dictionaries, range, comprehensions, "
            "loops and plain functions"
        )

    def _spend(self, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise RefusedError(f"more than {MAX_STEPS} steps of work")

    def _spend_on(self, value: Any) -> None:
        if isinstance(value, Sized):
            self._spend(len(value))

    def _made(self, values: Iterable) -> list:
        """List the values, each paid for."""
        made = []
        for value in values:
            self._spend()
            made.append(value)
        return made

    # statements ---------------------------------------------------------------

    def _execute(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._visit(statement)

    def _visit(self, node: ast.AST) -> Any:
        self._spend()
        self._line = getattr(node, "lineno", self._line)
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise RefusedError(f"{describe(node)} is refused")
        return method(node)

    def _assign(self, node: ast.Assign) -> None:
        value = self._visit(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _augassign(self, node: ast.AugAssign) -> None:
        current = self._visit(node.target)
        operand = self._visit(node.value)
        self._bind(node.target, self._arithmetic(node.op, current, operand))

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._names[target.id] = value
        elif isinstance(target, ast.Subscript):
            container = one_of(self._visit(target.value), (list, dict))
            container[dictionary_key(self._visit(target.slice))] = value
        elif isinstance(target, ast.Tuple | ast.List):
            values = self._made(value)
            if len(values) != len(target.elts):
                raise RefusedError(f"{len(target.elts)} names for {len(values)} values")
            for name, item in zip(target.elts, values, strict=True):
                self._bind(name, item)
        else:
            raise RefusedError(f"assignment to {describe(target)} is refused")

    def _expr(self, node: ast.Expr) -> None:
        self._visit(node.value)

    def _pass(self, node: ast.Pass) -> None:
        pass

    def _if(self, node: ast.If) -> None:
        self._execute(node.body if self._visit(node.test) else node.orelse)

    def _for(self, node: ast.For) -> None:
        for item in self._made(self._visit(node.iter)):
            self._bind(node.target, item)
            try:
                self._execute(node.body)
            except _ContinueSignal:
                continue
            except _BreakSignal:
                return
        self._execute(node.orelse)

    def _while(self, node: ast.While) -> None:
        while self._visit(node.test):
            try:
                self._execute(node.body)
            except _ContinueSignal:
                continue
            except _BreakSignal:
                return
        self._execute(node.orelse)

    def _break(self, node: ast.Break) -> None:
        raise _BreakSignal

    def _continue(self, node: ast.Continue) -> None:
        raise _ContinueSignal

    def _return(self, node: ast.Return) -> None:
        raise _ReturnSignal(None if node.value is None else self._visit(node.value))

    def _functiondef(self, node: ast.FunctionDef) -> None:
        arguments = node.args
        if node.decorator_list or (
            arguments.vararg or arguments.kwarg or arguments.kwonlyargs
        ):
            raise RefusedError(
                f"def {node.name} with decorators or * arguments is refused"
            )
        self._names[node.name] = _Function(
            node.name,
            tuple(argument.arg for argument in arguments.posonlyargs + arguments.args),
            tuple(self._visit(default) for default in arguments.defaults),
            node.body,
        )

    # expressions --------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Any:
        return one_of(node.value, SCALARS)

    def _name(self, node: ast.Name) -> Any:
        if node.id not in self._names:
            raise RefusedError(
                f"the name '{node.id}' is not assigned before it is used"
            )
        return self._names[node.id]

    def _list(self, node: ast.List) -> list:
        return [self._visit(element) for element in node.elts]

    def _tuple(self, node: ast.Tuple) -> tuple:
        return tuple(self._list(node))

    def _set(self, node: ast.Set) -> set:
        return {dictionary_key(element) for element in self._list(node)}

    def _dict(self, node: ast.Dict) -> dict:
        if None in node.keys:
            raise RefusedError("** in a dictionary is refused")
        return {
            dictionary_key(self._visit(key)): self._visit(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self._visit(node.operand)
        if isinstance(node.op, ast.Not):
            return not value
        if isinstance(node.op, ast.USub):
            return -number(value)
        if isinstance(node.op, ast.UAdd):
            return +number(value)
        raise RefusedError("the operator ~ is refused")

    def _binop(self, node: ast.BinOp) -> Any:
        return self._arithmetic(
            node.op, self._visit(node.left), self._visit(node.right)
        )

    def _arithmetic(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, SEQUENCES) or isinstance(right, SEQUENCES):
            return self._sequence_arithmetic(op, left, right)
        return calculate(op, left, right)

    def _sequence_arithmetic(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Add) and type(left) is type(right):
            self._spend(len(left) + len(right))
            return left + right
        if isinstance(op, ast.Mult) and isinstance(right, int):
            self._spend(len(left) * max(right, 0))
            return left * right
        raise RefusedError("lists can be added, or multiplied by an integer")

    def _boolop(self, node: ast.BoolOp) -> Any:
        stop_at = isinstance(node.op, ast.Or)
        value = None
        for operand in node.values:
            value = self._visit(operand)
            if bool(value) is stop_at:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self._visit(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._visit(comparator)
            # a scalar on one side bounds the work of comparing nested lists
            one_of(left, SCALARS)
            if type(op) not in COMPARISONS:
                raise RefusedError("the operator 'is' is refused")
            self._spend_on(right)
            if not COMPARISONS[type(op)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self._visit(node.body if self._visit(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        container = one_of(self._visit(node.value), (list, tuple, dict))
        key = self._visit(node.slice)
        if not isinstance(key, slice):
            return container[dictionary_key(key)]
        piece = container[key]
        self._spend(len(piece))
        return piece

    def _slice(self, node: ast.Slice) -> slice:
        bounds = (node.lower, node.upper, node.step)
        return slice(*(bound and self._visit(bound) for bound in bounds))

    def _listcomp(self, node: ast.ListComp) -> list:
        return self._comprehension(node.generators, lambda: self._visit(node.elt))

    def _generatorexp(self, node: ast.GeneratorExp) -> list:
        return self._comprehension(node.generators, lambda: self._visit(node.elt))

    def _setcomp(self, node: ast.SetComp) -> set:
        return set(
            self._comprehension(
                node.generators, lambda: dictionary_key(self._visit(node.elt))
            )
        )

    def _dictcomp(self, node: ast.DictComp) -> dict:
        return dict(
            self._comprehension(
                node.generators,
                lambda: (
                    dictionary_key(self._visit(node.key)),
                    self._visit(node.value),
                ),
            )
        )

    def _comprehension(
        self, generators: Sequence[ast.comprehension], make: Callable[[], Any]
    ) -> list:
        """Collect what ``make`` gives for each binding, in a scope of its own."""
        outer = self._names
        self._names = outer.new_child()
        made: list = []
        try:
            self._fill(generators, make, made)
        finally:
            self._names = outer
        return made

    def _fill(
        self,
        generators: Sequence[ast.comprehension],
        make: Callable[[], Any],
        made: list,
    ) -> None:
        if not generators:
            made.append(make())
            return
        generator = generators[0]
        for item in self._made(self._visit(generator.iter)):
            self._bind(generator.target, item)
            if all(self._visit(condition) for condition in generator.ifs):
                self._fill(generators[1:], make, made)

    # calls --------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Any:
        arguments = [self._visit(argument) for argument in node.args]
        if any(keyword.arg is None for keyword in node.keywords):
            raise RefusedError("** in a call is refused")
        keywords = {named.arg: self._visit(named.value) for named in node.keywords}
        self._line = node.lineno
        if isinstance(node.func, ast.Attribute):
            return self._call_method(node.func, arguments)
        if not isinstance(node.func, ast.Name):
            raise RefusedError(f"calling {describe(node.func)} is refused")
        function = self._names.get(node.func.id)
        if isinstance(function, _Function):
            return self._call_function(function, arguments, keywords)
        return self._call_builtin(node.func.id, arguments, keywords)

    def _call_method(self, function: ast.Attribute, arguments: list) -> Any:
        owner = self._visit(function.value)
        if function.attr not in METHODS.get(type(owner), ()):
            raise RefusedError(f"the attribute '.{function.attr}' is refused")
        if function.attr in ("extend", "update"):
            arguments = [self._made(pairs(argument)) for argument in arguments]
            if function.attr == "update":
                arguments = [
                    [(dictionary_key(k), v) for k, v in pairs] for pairs in arguments
                ]
        result = getattr(owner, function.attr)(*arguments)
        return None if result is None else self._made(result)

    def _call_function(self, function: _Function, arguments: list, keywords: dict):
        first_default = len(function.arguments) - len(function.defaults)
        bound = dict(
            zip(function.arguments[first_default:], function.defaults, strict=True)
        )
        if len(arguments) > len(function.arguments):
            raise RefusedError(f"too many arguments for {function.name}()")
        bound.update(zip(function.arguments, arguments, strict=False), **keywords)
        if set(bound) != set(function.arguments):
            raise RefusedError(f"the arguments of {function.name}() do not fit its def")
        caller, line = self._names, self._line
        self._names = ChainMap(bound, self._globals)
        try:
            self._execute(function.body)
        except _ReturnSignal as result:
            return result.value
        finally:
            self._names = caller
        self._line = line
        return None

    def _call_builtin(self, name: str, arguments: list, keywords: dict) -> Any:
        if name not in BUILTINS:
            raise RefusedError(f"calling {name}() is refused")
        if keywords and name != "dict":
            raise RefusedError(f"named arguments of {name}() are refused")
        for argument in arguments:
            self._spend_on(argument)
        result = BUILTINS[name](*arguments, **keywords)
        if isinstance(result, SCALARS):
            return result
        if name == "set":
            return {dictionary_key(value) for value in self._made(result)}
        if name == "dict":
            return {
                dictionary_key(key): value for key, value in self._made(result.items())
            }
        values = self._made(result)
        return tuple(values) if name == "tuple" else values


def _parse(source: str) -> list[ast.stmt]:
    if len(source) > _MAX_SOURCE:
        raise RefusedError(f"a file of more than {_MAX_SOURCE} characters")
    return ast.parse(source.replace("\0", "")).body
