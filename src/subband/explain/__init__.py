"""Why a classifier decides as it does, as numbers."""
