"""The kinds of candidates, one module each, behind the interface in ``base``."""
