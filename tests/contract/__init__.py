"""One suite over every REST surface. A new surface is a file in ``surfaces/`` and a line in its ``SURFACES``."""
