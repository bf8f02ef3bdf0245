"""The `Listing` of an assembly, as .NET's reflection shows it; nothing of it is run."""

from pathlib import Path
from typing import Any

from stim.mcs.api.listing import Listing, Type
from stim.mcs.runtime import start_runtime

__all__ = ["reflect"]


def reflect(path: str | Path, runtime: str | None = None) -> tuple[str, Listing]:
    """Return the version and the public types of an assembly file.

    Types whose name begins with ``Sim`` are left out: they are instruments.
    """
    start_runtime(runtime)
    from System.Reflection import Assembly

    assembly = Assembly.LoadFile(str(Path(path).resolve()))
    listing = Listing()
    for kind in assembly.GetExportedTypes():
        if not kind.Name.startswith("Sim"):
            listing[kind.Name] = _type(kind)
    return assembly.GetName().Version.ToString(), listing


def _type(kind: Any) -> Type:
    from System import Enum

    base = kind.BaseType.Name if kind.BaseType is not None else ""
    if kind.IsEnum:
        names = Enum.GetNames(kind)
        values = {f"{n}={int(Enum.Parse(kind, n))}" for n in names}
        return Type("enum", None, values)
    if base == "MulticastDelegate":
        invoke = kind.GetMethod("Invoke")
        signature = f"invoke{_parameters(invoke)} {_spelled(invoke.ReturnType)}"
        return Type("delegate", None, {signature})
    members = {line for line in map(_member, _declared(kind)) if line}
    return Type("class", None if base == "Object" else base, members)


def _declared(kind: Any) -> list[Any]:
    from System.Reflection import BindingFlags

    own = BindingFlags.Public | BindingFlags.DeclaredOnly
    return list(kind.GetMembers(own | BindingFlags.Instance | BindingFlags.Static))


def _member(member: Any) -> str:
    """Return the line of a member; nothing for what is listed elsewhere."""
    kind = str(member.MemberType)
    if kind == "Constructor":
        return f"new{_parameters(member)}"
    if kind == "Method":
        # accessors stand with their property, overriding methods where they override
        is_override = member.GetBaseDefinition().DeclaringType != member.DeclaringType
        if member.IsSpecialName or is_override:
            return ""
        of = f"{_parameters(member)} {_spelled(member.ReturnType)}"
        return f"{'static ' if member.IsStatic else ''}method {member.Name}{of}"
    if kind == "Property":
        accessors = f"{' get' * member.CanRead}{' set' * _can_be_set(member)}"
        return f"property {member.Name} {_spelled(member.PropertyType)}{accessors}"
    if kind == "Event":
        return f"event {member.Name} {_spelled(member.EventHandlerType)}"
    static = "static " if member.IsStatic else ""
    return f"{static}field {member.Name} {_spelled(member.FieldType)}"


def _can_be_set(member: Any) -> bool:
    return member.GetSetMethod() is not None


def _parameters(method: Any) -> str:
    spelled = [
        f"{'out ' * each.IsOut}{_spelled(each.ParameterType)}"
        for each in method.GetParameters()
    ]
    return f"({', '.join(spelled)})"


def _spelled(kind: Any) -> str:
    if not kind.IsGenericType:
        return kind.Name
    of = ", ".join(map(_spelled, kind.GetGenericArguments()))
    return f"{kind.Name.partition('`')[0]}<{of}>"
