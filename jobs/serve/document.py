"""The description of the API, with the service's own errors."""

from typing import Any

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "integer", "description": "The status code."},
                "message": {"type": "string", "description": "What was expected, and what came."},
            },
        }
    },
}
_FIRST_ERROR = 400
_ANYWHERE = {
    "400": "A request that means nothing",
    "401": "No key, where keys are asked for",
    "403": "A key without the right",
    "404": "Nothing of that name",
    "413": "A body that is too large",
    "429": "More requests a second than the key or the address may make",
    "503": "No broker answers",
    "504": "The job does not answer",
}


def with_errors(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document in which every error has the body that the service sends.

    >>> found = with_errors({"paths": {"/x": {"get": {"responses": {"200": {}}}}}})
    >>> sorted(found["paths"]["/x"]["get"]["responses"])
    ['200', '400', '401', '403', '404', '413', '429', '503', '504']
    """
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components["Error"] = _ERROR
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{}, {"key": []}]
    for path in schema["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status, text in _ANYWHERE.items():
                responses.setdefault(status, {"description": text})
            for status, one in responses.items():
                if int(status) >= _FIRST_ERROR and not _own_body(operation, status):
                    one["content"] = content
    return schema


def _own_body(operation: dict[str, Any], status: str) -> bool:
    """Return whether readiness answers this, whose body says how far it is."""
    return status == "503" and "Ready" in operation.get("operationId", "")
