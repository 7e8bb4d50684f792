"""Run by the tools' interpreter: validates objects of Kubernetes, or evaluates an expression of an admission policy.

Reads one JSON document from standard input and writes one to standard output.
"""

import json
import re
import sys


def validate(task):
    """Return one sentence for each object that does not fit the schemas of a version, unknown fields included."""
    import kubernetes_validate

    wrong = []
    for item in task["objects"]:
        try:
            kubernetes_validate.validate(item, task["version"], strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            wrong.append(f"{item['apiVersion']} {item['kind']}: no schema")
        except kubernetes_validate.ValidationError as error:
            place = ".".join(map(str, error.path))
            wrong.append(f"{item['kind']} {item['metadata']['name']}: {place}: {error.message}"[:600])
    return wrong


def evaluate(task):
    """Return what an expression in CEL makes of its variables.

    The API server makes an object of a type from ``Object.spec.volumes{...}``; here it is a mapping with the name of
    its type under ``$type``, for the caller to compare with its place.
    """
    import celpy
    from celpy import celtypes

    types = set(re.findall(r"\b(Object(?:\.\w+)*|JSONPatch)\{", task["expression"]))
    flat = re.sub(r"\bObject(?:\.\w+)*\{", lambda found: found[0].replace(".", "_"), task["expression"])

    def maker(name):
        class Typed(celtypes.MapType):
            def __init__(self, *given, **fields):
                super().__init__(*given)
                self.update({celtypes.StringType(key): value for key, value in fields.items()})
                self[celtypes.StringType("$type")] = celtypes.StringType(name)

        return Typed

    environment = celpy.Environment()
    program = environment.program(environment.compile(flat))
    made = {name.replace(".", "_"): maker(name) for name in types}
    variables = {name: celpy.json_to_cel(value) for name, value in task["variables"].items()}
    return plain(program.evaluate({**variables, **made}))


def plain(value):
    """Return a value of CEL as JSON has it."""
    if isinstance(value, Exception):
        raise value
    name = type(value).__name__
    if name == "BoolType":
        return bool(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) else str(value)


if __name__ == "__main__":
    json.dump({"validate": validate, "evaluate": evaluate}[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
