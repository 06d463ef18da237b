"""What runs beside the drains: sweep, purge, status, reasons for waiting, the loop without Celery."""
