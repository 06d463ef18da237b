"""Sending by mail services over HTTP: anymail says how each wants a mail, our own client sends it, and our words judge the answer.

Needs the extra ``mailconfig[anymail]``. The modules behind :mod:`.transport` import it; this one does not.
"""
