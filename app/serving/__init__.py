"""The web server: Granian's workers, and the bridge that gives their requests to a WSGI application.

It knows nothing of the product; `python -m app.serving … wsgi:app` serves any WSGI application.
"""
