"""Work that nobody waits for: each module holds the jobs of one noun, `runner` says what a job is.

A row in PostgreSQL is the work, a job only goes and looks (`app/queue.py`). `worker` runs what was asked for,
`schedule` asks for what is due.
"""
