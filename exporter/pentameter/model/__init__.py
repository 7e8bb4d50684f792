"""What a served model is: from its ``config.json`` to parameters, bytes and floating point operations.

Pure: no file is read here. ``sources.model_files`` finds and reads what ``reader`` is given.
"""
