"""The whole product under fire: `make torture`, and a slice of it in `make test`."""
