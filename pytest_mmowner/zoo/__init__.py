"""The zoo: wrong implementations, each a small class on the reference's rules.

Most of them are bugs that Linux really had, or that its reviewers stopped in time
(``BUG-13-swapoff``; :data:`BUGS` is the table of all of them); the others are the slips that
an implementer makes.  ``mutant:NAME`` is a candidate like any other, and the suite must kill
every one whose ``kind`` is "sequential".
"""

from importlib import import_module

from ._bug_table import BUGS, Bug
from ._mutant import KINDS, MUTANTS, Mutant

__all__ = ["BUGS", "KINDS", "MUTANTS", "Bug", "Mutant"]

#: Where the mutants are; their order is that of the zoo: bugs by number, then slips by subject.
for _name in (
    "_bugs_of_the_patch", "_bugs_of_2008", "_bugs_since_2009", "_handoff", "_stages",
    "_candidates", "_lists", "_births", "_call_sites", "_accounting", "_callbacks", "_races",
):  # fmt: skip
    import_module(f"{__name__}.{_name}")
