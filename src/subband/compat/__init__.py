"""Stand-ins for other libraries, with their names, arguments and layouts: one changed import moves a program here."""
