"""What every surface has from api/common, shown at the providers."""
