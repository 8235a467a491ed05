"""The modules that the ClassCord handlers share: protocol, names, registry, storage, settings, texts and logs."""

__version__ = "0.1.0"
