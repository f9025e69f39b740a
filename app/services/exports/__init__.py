"""Lists and statements as files: CSV, XLSX and PDF, written by a worker, kept for some days."""
