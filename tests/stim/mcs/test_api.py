"""The lists of the vendor's API, and what holds the driver against them."""

import json
import os
from pathlib import Path

import pytest

from stim.mcs.api import check
from stim.mcs.api.listing import Type, read_calls, read_listing
from stim.stg.status import Status

GENERATIONS = {3: "3.2.45", 5: "5.3.15"}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_driver_calls_nothing_that_a_generation_lacks(generation):
    assert check.missing_calls(read_listing(generation), generation) == []
    assert check.unlisted_calls(generation) == []


def test_all_that_the_sources_call_is_declared():
    assert check.undeclared_names() == set()


def test_calls_that_are_not_declared_are_found(monkeypatch):
    fewer = [call for call in read_calls() if call.name != "GetDataQueueSpace"]
    monkeypatch.setattr(check, "read_calls", lambda: fewer)
    assert check.undeclared_names() == {"GetDataQueueSpace"}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_member_less_or_more_is_found(generation):
    listing = read_listing(generation)
    listing["CStg200xBasicNet"].members.remove("method SendStart(UInt32) Void")
    missing = check.missing_calls(listing, generation)
    assert missing == [
        "CStg200xDownloadNet method SendStart(UInt32) Void",
        "CStg200xStreamingNet method SendStart(UInt32) Void",
    ]
    listing["CStg200xBasicNet"].members.add("method SendStart(Int32) Void")
    listing["CStgNew"] = Type("class")
    assert check.strangers(listing, generation) == [
        "CStg200xBasicNet method SendStart(Int32) Void",
        "CStgNew",
    ]


def test_the_generations_differ_where_the_driver_branches():
    """The deltas that are known between 3.2.45 and 5.3.15."""
    only = {3: set(), 5: set()}
    for call in read_calls():
        if len(call.generations) == 1:
            only[min(call.generations)].add(call.name)
    assert only[3] == {
        "CMcsUsbListNet",
        "Initialize",
        "GetMemory",
        "SetCapacity",
        "SendSegmentDefine",
        "SendSegmentSelect",
        "QueryTriggerstatus",
        "CStg200xDownloadNet",
    }
    assert only[5] == {
        "CMcsUsbListNet",
        "GetAvailableMemory",
        "SegmentDefine",
        "SegmentSelect",
        "QueryTriggerstatus",
        "TiggerStatus",
        "None",
        "CStg200xDownloadNet",
    }


@pytest.mark.parametrize("generation", GENERATIONS)
def test_status_codes_are_those_of_the_documentation(generation):
    folder = Path(check.__file__).parent
    text = (folder / f"generation_{generation}.txt").read_text("utf-8")
    for status in set(Status) - {Status.OK}:
        name = "".join(word.capitalize() for word in status.name.split("_"))
        line = f"  static field Status_{name} UInt32 = 0x{status.value:08X}\n"
        assert line in text


# ------------------------------------------------ against the assembly's own metadata


@pytest.fixture(params=GENERATIONS)
def metadata(request):
    """Give a generation and its API as JSON, in the folder of CIRCUS_MCSUSBNET_API."""
    folder = os.environ.get("CIRCUS_MCSUSBNET_API")
    if not folder:
        pytest.skip("CIRCUS_MCSUSBNET_API does not say where the API is, as JSON")
    path = Path(folder) / f"{GENERATIONS[request.param]}.json"
    return request.param, json.loads(path.read_text("utf-8"))


def test_the_lists_are_those_of_the_metadata(metadata):
    generation, facts = metadata
    expected = {}
    for kind in facts["types"]:
        if kind["kind"] == "enum":
            lines = {f"{value['name']}={value['value']}" for value in kind["values"]}
        elif kind["kind"] == "delegate":
            lines = {f"invoke{_parameters(kind)} {kind['returns']}"}
        else:
            lines = {_line(member) for member in kind["members"]}
        expected[kind["name"]] = lines
    listing = read_listing(generation)
    assert {name: kind.members for name, kind in listing.items()} == expected


def test_what_a_driver_needs_is_declared(metadata):
    generation, facts = metadata
    declared = {
        (call.type_name, call.member.replace("out ", "")): call.generations
        for call in read_calls()
    }
    for each in facts["adapter_contract"]:
        member = _contract(each)
        is_there = generation in declared[each["class"], member]
        assert is_there == each["present"], member


def _contract(each):
    if "enum_value" in each:
        return f"= {each['enum_value']}"
    parameters = f"({', '.join(each['params'])})"
    if each["kind"] == "constructor":
        return f"new{parameters}"
    if each["kind"] == "property":
        return f"property {each['member']} {each['returns']}"
    return f"method {each['member']}{parameters} {each['returns']}"


def _parameters(member):
    spelled = [
        "out " * each.get("out", False) + each["type"] for each in member["params"]
    ]
    return f"({', '.join(spelled)})"


def _line(member):
    static = "static " if member["static"] else ""
    name = member["name"]
    match member["kind"]:
        case "constructor":
            return f"new{_parameters(member)}"
        case "method":
            return f"{static}method {name}{_parameters(member)} {member['returns']}"
        case "property":
            accessors = " get" * member["get"] + " set" * member["set"]
            return f"{static}property {name} {member['type']}{accessors}"
        case kind:
            return f"{static}{kind} {name} {member['type']}"
