"""Notes in bulk: files and databases in, what the pipeline found out, as records, OMOP rows, FHIR resources or Docs."""
