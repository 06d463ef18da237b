"""The page on which a recipient opts out of further mail. Who that is, the link says; nobody signs in."""
