"""The agent that asks a running Linux kernel who owns an mm, and its launcher.

The C files are data of this package: `launch.build_agent` compiles them on the
user's machine the first time that a `linux:` candidate is used.
"""
