"""What generates and checks the documentation: `make docs`, `make readers`."""
