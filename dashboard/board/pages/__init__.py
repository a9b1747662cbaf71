"""The pages: layout and interaction. SQL is in `queries`, drawing in `charts`."""
