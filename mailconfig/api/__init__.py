"""The REST surfaces: each translates names and shapes; what they do is done once, in ``delivery``."""
