"""What a fleet says of its API, and whether it answers so. Live.ask checks every reply against the fleet's own
/openapi.json: a path, a status, a header or a body that is not in there fails the test that asked."""

import copy
import gzip
import json
import re
import urllib.parse

import jsonschema

ELSEWHERE = re.compile(r"/(openapi\.json$|docs(/|$)|static/|plugins/)")  # nginx's own files


def closed(schema):
    """The same, and members that it does not name are refused: a reply has no field that is not described."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(item) for name, item in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    return made


class Contract:
    def __init__(self, text):
        self.document = json.loads(text)
        self.taken = self.document["components"]["schemas"]
        self.given = closed(copy.deepcopy(self.taken))
        self.paths = []
        for path, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))
            self.paths.append((path.count("{"), re.compile(pattern + "$"), item))
        self.paths.sort(key=lambda path: path[0])  # one without values before one with

    def resolved(self, thing):
        while "$ref" in thing:
            kind, name = thing["$ref"].split("/")[-2:]
            thing = self.document["components"][kind][name]
        return thing

    def wrong_in(self, value, schema, schemas):
        """What is wrong with a value by a schema that refers to those schemas; "" where nothing is."""
        whole = {**closed(schema), "components": {"schemas": schemas}}
        checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
        error = jsonschema.exceptions.best_match(checker.iter_errors(value))
        return f"{error.json_path}: {error.message[:500]}" if error else ""

    def operation(self, method, target):
        """The path's item, and its operation of that method; either may be None."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path) if not target.startswith("//") else target
        path = re.sub("/+", "/", path).rstrip("/") or "/"
        for _, pattern, item in self.paths:
            if pattern.match(path):
                return item, item.get("get" if method == "HEAD" else method.lower())
        return None, None

    def complaint(self, method, target, status, headers, body):
        """What the document does not say of this reply; "" where it says all of it. `body` is None where nobody read it."""
        if method == "OPTIONS" or ELSEWHERE.match(target):
            return ""
        _, operation = self.operation(method, target)
        responses = operation["responses"] if operation else self.document["components"]["responses"]
        if str(status) not in responses:
            return f"the status {status} is not described"
        response = self.resolved(responses[str(status)])
        for name, header in response.get("headers", {}).items():
            if self.resolved(header).get("required") and name not in headers:
                return f"the header {name} is missing"
        content = response.get("content", {})
        if method == "HEAD" or status in (204, 304):
            return "a body where there is none" if body else ""
        media_type = headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in content:
            return f"the type {media_type!r} is not described"
        if media_type != "application/json" or body is None:
            return ""
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return self.wrong_in(json.loads(body), content[media_type]["schema"], self.given)

    def check(self, method, target, status, headers, body):
        if said := self.complaint(method, target, status, headers, body):
            shown = "" if body is None else body[:500]
            raise AssertionError(f"{method} {target} -> {status}: {said}, by /openapi.json\n{shown}")

    def examples(self):
        """(where, example, its schema, the schemas it refers to) of all there are."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                sides = [("body", operation.get("requestBody", {}), self.taken)]
                sides += [(status, response, self.given) for status, response in operation["responses"].items()]
                for where, side, schemas in sides:
                    for media in self.resolved(side).get("content", {}).values():
                        if "example" in media:
                            yield f"{method} {path} {where}", media["example"], media["schema"], schemas
