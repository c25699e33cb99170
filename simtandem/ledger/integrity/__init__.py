"""What makes a change of the record visible."""
