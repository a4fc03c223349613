"""What every route shares: the envelope around a request, strict bodies, problems, fields, commands and the OpenAPI."""
