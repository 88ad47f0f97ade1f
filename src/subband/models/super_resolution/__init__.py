"""Networks that enlarge videos."""
