"""Writes what Parkstream is made of as a CycloneDX 1.5 document: `make audit` leaves it in dist/sbom.cdx.json.

The locks come in, and the licences that the installed packages state; the same locks give the same document. What is
locked for another system than this one is not installed here, and its licence is said to be unknown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from lockfile import EVERYTHING, ROOT, SHIPPED, TOOL, Package, normalised, read_lock

MEMBERS = sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])
OWN_LICENCE = "Apache-2.0"
_LICENCE_OF_CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?(?P<name>.+)")
_LONGEST_LICENCE_NAME = 80


def purl(name: str, version: str) -> str:
    """How the world names a package."""
    return f"pkg:pypi/{name}@{version}"


def licences_of(package: Distribution) -> list[dict[str, Any]]:
    """What a package states, from the most exact to the vaguest; nothing is guessed."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return [{"expression": expression}]
    found = [_LICENCE_OF_CLASSIFIER.fullmatch(one) for one in metadata.get_all("Classifier") or []]
    if names := sorted({one["name"] for one in found if one is not None}):
        return [{"license": {"name": name}} for name in names]
    stated = (metadata.get("License") or "").strip()
    if stated and "\n" not in stated and len(stated) <= _LONGEST_LICENCE_NAME:
        return [{"license": {"name": stated}}]
    return []


def component(package: Package, *, shipped: bool) -> dict[str, Any]:
    """One locked package: `required` is in the images, `excluded` serves building and testing alone."""
    name = purl(package.name, package.version)
    described: dict[str, Any] = {
        "type": "library",
        "bom-ref": name,
        "name": package.name,
        "version": package.version,
        "purl": name,
        "scope": "required" if shipped else "excluded",
        # Each file that the lock allows to be installed for it.
        "externalReferences": [
            {"type": "distribution", "url": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for digest in sorted(package.sha256)
        ],
    }
    try:
        licences = licences_of(distribution(package.name))
    except PackageNotFoundError:
        licences = []
    if licences:
        described["licenses"] = licences
    else:
        described["properties"] = [{"name": "parkstream:licence", "value": "not known here"}]
    return described


def members() -> dict[str, str]:
    """The project's own packages and their versions."""
    projects = [tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in MEMBERS]
    return {normalised(one["name"]): one["version"] for one in projects}


def own_component(name: str, version: str) -> dict[str, Any]:
    """One member of the workspace."""
    licences = [{"license": {"id": OWN_LICENCE}}]
    return {"type": "application", "bom-ref": f"own:{name}", "name": name, "version": version, "licenses": licences}


def document() -> dict[str, Any]:
    """The whole bill of materials."""
    everything, shipped = read_lock(EVERYTHING) | read_lock(TOOL), read_lock(SHIPPED)
    own = members()
    references = {name: purl(name, one.version) for name, one in everything.items()}
    references |= {name: f"own:{name}" for name in own}
    needs: dict[str, set[str]] = {reference: set() for reference in references.values()}
    for name, package in everything.items():
        for dependant in package.asked_for_by:
            if dependant in references:
                needs[references[dependant]].add(references[name])
    needs["product"] = {references[name] for name in own}
    components = [own_component(name, version) for name, version in sorted(own.items())]
    components += [component(one, shipped=name in shipped) for name, one in sorted(everything.items())]
    locks = hashlib.sha256(b"".join(path.read_bytes() for path in (EVERYTHING, SHIPPED, TOOL))).hexdigest()
    product = own_component("parkstream", own["parkstream"]) | {"bom-ref": "product"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, locks)}",
        "version": 1,
        "metadata": {"component": product},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(wanted)} for ref, wanted in sorted(needs.items())],
    }


def main() -> int:
    """Write the document and say how much of it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "sbom.cdx.json")
    output: Path = parser.parse_args().output
    made = document()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    unknown = [one["name"] for one in made["components"] if "licenses" not in one]
    told = f"; without a licence that can be read here: {', '.join(unknown)}" if unknown else ""
    sys.stdout.write(f"{output}: {len(made['components'])} components{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
