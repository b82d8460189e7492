"""The faces of a loss towards other libraries, written once for all losses."""
