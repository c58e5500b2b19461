"""HTTP: transports, API, OpenAPI, console and the static widget."""
