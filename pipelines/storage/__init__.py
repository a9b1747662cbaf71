"""Files below the home folder: where they are, how they are written, locked, kept and removed."""
