"""HOW the data moves, from the API's pages to the published tables."""
