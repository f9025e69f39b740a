"""Measurements that anybody can repeat: each is `python -m bench.<name>` and prints one line of JSON."""
