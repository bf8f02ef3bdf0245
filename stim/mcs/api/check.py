"""Hold the driver and the simulator against the lists of the vendor's API.

    python -m stim.mcs.api.check [ASSEMBLY ...]

Without a file, both simulators are checked; a file may be the vendor's own, which is
only looked at. The exit status is 1 where something is missing.
"""

import ast
import sys
from pathlib import Path

from stim.mcs.api.listing import Listing, read_calls, read_listing

__all__ = ["missing_calls", "strangers", "undeclared_names", "unlisted_calls"]

# where the driver calls .NET
SOURCES = ("assembly.py", "bus.py", "calls.py", "ports.py")
# of .NET itself, and of the simulator
ASKING = ("getattr", "hasattr")
OTHERS = {"Exception", "Message", "AddReference", "GetName", "Version", "ToString"}


def missing_calls(listing: Listing, generation: int) -> list[str]:
    """Return the calls of the driver for a generation that an API lacks."""
    return [
        f"{call.type_name} {call.member}"
        for call in read_calls()
        if generation in call.generations
        and not listing.has(call.type_name, call.member)
    ]


def unlisted_calls(generation: int) -> list[str]:
    """Return the calls that a generation has and is said not to have."""
    listing = read_listing(generation)
    return [
        f"{call.type_name} {call.member}"
        for call in read_calls()
        if generation not in call.generations
        and listing.has(call.type_name, call.member)
    ]


def strangers(listing: Listing, generation: int) -> list[str]:
    """Return the members of an assembly that the vendor's does not have."""
    vendor, found = read_listing(generation), []
    for name, kind in listing.items():
        if name not in vendor:
            found.append(name)
            continue
        extra = kind.members - vendor[name].members
        if kind.base != vendor[name].base:
            found.append(f"{name} : {kind.base}")
        found += [f"{name} {each}" for each in sorted(extra)]
    return found


def undeclared_names() -> set[str]:
    """Return the names of .NET that the driver's sources use without declaring them."""
    declared = {call.name for call in read_calls()}
    declared |= {call.type_name for call in read_calls()}
    used = set()
    for source in SOURCES:
        text = (Path(__file__).parents[1] / source).read_text("utf-8")
        used |= _names_of_net(ast.parse(text))
    return used - declared - OTHERS


def _names_of_net(tree: ast.AST) -> set[str]:
    """Return attributes, and names given to getattr, as .NET writes them."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ASKING:
            name = node.args[1]
            used |= {name.value} if isinstance(name, ast.Constant) else set()
    return {name for name in used if name[0].isupper() and name != "SimBench"}


def main() -> None:
    """Print what is missing, and how much that is."""
    from stim.mcs.api.reflection import reflect
    from stim.mcs.simulator.build import GENERATIONS, build

    n_missing = 0
    for path in sys.argv[1:] or [build(generation) for generation in GENERATIONS]:
        version, listing = reflect(path)
        generation = int(version.partition(".")[0])
        problems = {
            "calls that the vendor's API lacks": missing_calls(
                read_listing(generation), generation
            ),
            "calls that the assembly lacks": missing_calls(listing, generation),
            "members that the vendor's API lacks": strangers(listing, generation),
            "names that are not declared": sorted(undeclared_names()),
        }
        sys.stdout.write(f"{path}: version {version}, {len(listing)} types\n")
        for what, found in problems.items():
            n_missing += len(found)
            sys.stdout.write(f"  {what}: {len(found)}\n")
            sys.stdout.writelines(f"    {each}\n" for each in found)
    sys.exit(n_missing > 0)


if __name__ == "__main__":
    main()
