"""Why a network decides as it does, as numbers."""
