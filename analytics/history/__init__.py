"""Reads of the history store: a function a question, parameters after the connection.

Every function takes `desks`, the desks whose orders the caller may see, None for all. It is
part of the WHERE clause: an order of another desk is as absent as one that never was.
"""
