"""What a run leaves for people and programs: CSV files, the JSON document and the report page."""
