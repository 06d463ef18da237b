"""Common parts of all surfaces: authentication, permission, reading of bodies, and the map from errors to problems."""
