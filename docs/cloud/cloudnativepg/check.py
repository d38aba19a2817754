#!/usr/bin/env python3
"""Checks the manifests of this directory without a cluster and without a network: python3 check.py

Each must be YAML, of a kind that is known, with no field but those of fields.txt: the fields that have been compared with the
operators' own definitions. So a field that is misspelt, or stands in the wrong place, is found.

    python3 check.py --crds DIRECTORY   also against the CustomResourceDefinitions in that directory (config/crd/bases of
                                        cloudnative-pg and of plugin-barman-cloud): types, required fields, enumerations,
                                        patterns, unknown fields
    python3 check.py --write            writes fields.txt anew from the manifests: after a look with --crds
"""
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
FIELDS = HERE / "fields.txt"
# Below these, keys are names that the writer of the manifest chooses.
FREE = {"spec.postgresql.parameters", "spec.serviceAccountTemplate.metadata.annotations", "spec.plugins[].parameters",
        "spec.externalClusters[].plugin.parameters", "spec.resources.requests", "spec.resources.limits"}
KINDS = {("postgresql.cnpg.io/v1", "Cluster"), ("postgresql.cnpg.io/v1", "Database"), ("postgresql.cnpg.io/v1", "ScheduledBackup"),
         ("barmancloud.cnpg.io/v1", "ObjectStore"), ("v1", "PersistentVolumeClaim"), ("batch/v1", "Job"),
         ("kustomize.config.k8s.io/v1beta1", "Kustomization")}
SETTINGS = HERE.parents[2] / "src" / "settings.rs"


def kind_of(value):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else type(value).__name__


def fields(value, path=""):
    """Every leaf as (path, type)."""
    if isinstance(value, dict) and path not in FREE:
        for key, inner in value.items():
            yield from fields(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path}[]")
    else:
        yield path, "map" if isinstance(value, dict) else kind_of(value)


def documents():
    for file in sorted(HERE.glob("*.yaml")):
        for number, document in enumerate(yaml.safe_load_all(file.read_text()), 1):
            yield f"{file.name}, document {number}", document


def lines_of(document):
    return {f"{document['kind']} {path} {kind}" for path, kind in fields(document)}


def settings_are_known(document):
    """Settings of trips_ext must be those of the source; all of PostgreSQL's are strings."""
    known = set(re.findall(r'c"(trips_ext\.[a-z_]+)"', SETTINGS.read_text()))
    for name, value in document.get("spec", {}).get("postgresql", {}).get("parameters", {}).items():
        if name.startswith("trips_ext.") and name not in known:
            yield f"{name} is no setting of trips_ext"
        if not isinstance(value, str):
            yield f"{name}: the operator takes strings, not {value!r}"


def differences(value, schema, path):
    """What an OpenAPI schema of a CRD has against a value."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)) or (isinstance(value, str) and not re.search(schema.get("pattern", ""), value)):
            yield f"{path}: {value!r} is no number or quantity"
        return
    wanted = schema.get("type")
    fits = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}.get(wanted, object)
    if not isinstance(value, fits) or (wanted in ("integer", "number") and isinstance(value, bool)):
        yield f"{path}: {value!r} is no {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value!r} is below {schema['minimum']}"
    if wanted == "array":
        for number, inner in enumerate(value):
            yield from differences(inner, schema.get("items", {}), f"{path}[{number}]")
    if wanted == "object":
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key in schema.get("required", []):
            if key not in value:
                yield f"{path}: lacks {key}"
        for key, inner in value.items():
            if key in known:
                yield from differences(inner, known[key], f"{path}.{key}")
            elif isinstance(others, dict):
                yield from differences(inner, others, f"{path}.{key}")
            elif not schema.get("x-kubernetes-preserve-unknown-fields") and others is not True:
                yield f"{path}: has no field {key}"


def definitions(directory):
    found = {}
    for file in Path(directory).rglob("*.yaml"):
        for crd in yaml.safe_load_all(file.read_text()):
            if isinstance(crd, dict) and crd.get("kind") == "CustomResourceDefinition":
                for version in crd["spec"]["versions"]:
                    key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                    found[key] = version["schema"]["openAPIV3Schema"]
    return found


def main(arguments):
    crds = definitions(arguments[arguments.index("--crds") + 1]) if "--crds" in arguments else {}
    if "--write" in arguments:
        FIELDS.write_text("".join(f"{line}\n" for line in sorted(set().union(*(lines_of(document) for _, document in documents())))))
    known, used, count, faults = set(FIELDS.read_text().splitlines()), set(), 0, []
    for place, document in documents():
        key = (document.get("apiVersion"), document.get("kind"))
        if key not in KINDS:
            faults.append(f"{place}: unknown kind {key}")
            continue
        count += 1
        lines = lines_of(document)
        used |= lines
        faults += [f"{place}: not in fields.txt: {line}" for line in sorted(lines - known)]
        if document["kind"] == "Cluster":
            faults += [f"{place}: {fault}" for fault in settings_are_known(document)]
        if key in crds:
            # apiVersion, kind and metadata are the API server's.
            schema = dict(crds[key], properties={"apiVersion": {}, "kind": {}, "metadata": {}, **crds[key]["properties"]})
            schema["properties"]["metadata"] = {"type": "object", "additionalProperties": True}
            faults += [f"{place}: {fault}" for fault in differences(document, schema, document["kind"])]
        elif crds and not key[0].startswith(("v1", "batch/", "kustomize.")):
            faults.append(f"{place}: no definition of {key}")
    faults += [f"fields.txt: no manifest has {line}" for line in sorted(known - used)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{count} manifests{' and their definitions' if crds else ''}, {len(known)} fields, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
