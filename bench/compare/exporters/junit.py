"""A comparison as JUnit XML: one test case for each cell and for each one that vanished or appeared."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from bench.compare.exporters.sentences import effect_of, further
from bench.compare.values import CellChange, Comparison, Place, Verdict

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML has no way to write these


def to_junit(comparison: Comparison) -> str:
    """Alarms are failures, what cannot be compared is an error, what is undecided or new is skipped."""
    suite = ET.Element("testsuite", name=_text(f"bench compare: {comparison.suite}"))
    for cell in comparison.cells:
        _of_cell(_case(suite, cell.place), cell, comparison)
    for place in comparison.vanished:
        _outcome(_case(suite, place), "failure", "vanished", "the cell is not in the new result set")
    for place in comparison.appeared:
        _outcome(_case(suite, place), "skipped", "appeared", "the cell is not in the old result set")
    return _document(suite)


def refused(why: str) -> str:
    """One test case, which is an error: nothing could be compared."""
    suite = ET.Element("testsuite", name="bench compare")
    case = ET.SubElement(suite, "testcase", classname="bench", name="compare", time="0")
    _outcome(case, "error", "not comparable", why)
    return _document(suite)


def _document(suite: ET.Element) -> str:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for attribute, kind in kinds.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: ET.Element, place: Place) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_text(place.dataset), name=_text(place), time="0")


def _of_cell(case: ET.Element, cell: CellChange, comparison: Comparison) -> None:
    told = f"{cell.verdict}{effect_of(cell)}"
    if alarms := "; ".join(cell.alarms()):
        _outcome(case, "failure", alarms, f"{alarms}{effect_of(cell)}")
    elif cell in comparison.incomparable():
        _outcome(case, "error", "not comparable", told)
    elif cell.verdict is Verdict.UNDECIDED:
        _outcome(case, "skipped", "undecided", f"{told}; {further(cell)}")
    else:
        ET.SubElement(case, "system-out").text = _text(told)


def _outcome(case: ET.Element, kind: str, short: str, message: str) -> None:
    element = ET.SubElement(case, kind, message=_text(message))
    if kind != "skipped":
        element.set("type", short)


def _text(value: object) -> str:
    return _UNWRITABLE.sub("\ufffd", str(value))
