"""Workers: long work, run by Celery children, one job at a time in each."""
