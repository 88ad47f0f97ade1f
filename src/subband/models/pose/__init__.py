"""Networks that find the joints of a person in crops of photographs or clips."""
