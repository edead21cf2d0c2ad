"""Questions about notes: `clinical_qa`."""
