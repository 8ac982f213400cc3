"""The bugs of mm->owner, by number: who had them, what fixed them, and why some are no mutants.

The numbers are those of our history of the function.  A bug whose row has no ``why_not``
has at least one mutant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug: from when to when, and the commit that ended it."""

    number: int
    title: str
    #: Where it was: dialects of ours, or drafts and trees that never were one.
    had: str
    #: The commit or mail that fixed it, and the first version with it.
    commit: str
    version: str
    #: Why the zoo has no mutant of it; nothing for those that it has.
    why_not: str = ""

    @property
    def name(self) -> str:
        """``BUG-13``."""
        return f"BUG-{self.number:02d}"


_REFERENCES: Final = "a reference count of a cgroup, not an owner; our cgroups are never freed"
_SPEED: Final = "every answer is the same, only the time differs"

_ROWS: Final = (
    Bug(1, "an exit hands nothing over", "RFC v1", "review, March 2008", "RFC v2"),
    Bug(2, "a fork gives the new mm to a group leader", "RFC v1 and v2", "mm_init sets the owner", "RFC v3"),
    Bug(3, "BUG() when nobody is found", "RFC v2", "the search returns", "RFC v3"),
    Bug(4, "the candidate is not looked at again under its lock", "RFC v2", "task_lock and a retry", "RFC v3"),
    Bug(5, "lists are walked without RCU and without a lock", "RFC v2 and v3", "rcu_read_lock in the search", "RFC v4"),
    Bug(6, "the lists are let go before the candidate is locked", "rfc-v4", "the lock is dropped later", "RFC v5"),
    Bug(7, "RCU does not hold children and sibling lists together", "rfc-v4", "cf475ad28ac3", "2.6.26"),
    Bug(8, "a group leader with threads keeps the mm when it exits", "rfc-v4", "cf475ad28ac3", "2.6.26"),
    Bug(9, "callbacks get tasks, and are called for equal cgroups too", "rfc-v4", "cf475ad28ac3", "2.6.26"),
    Bug(10, "moving a task takes and drops css references that nobody needs", "RFC v4 to v6", "RFC v7", "RFC v7",
        _REFERENCES),
    Bug(11, "kernels with the option off do not build", "RFC v4 and v5", "RFC v6", "RFC v6",
        "a build that breaks is no behaviour"),
    Bug(12, "exec hands over the new mm instead of the old one", "rfc-v4", "4cd1a8fc3d3c", "2.6.26"),
    Bug(13, "a stale owner is left to holders: the swapoff race", "rfc-v4, 2.6.26", "31a78f23bac0", "2.6.27"),
    Bug(14, "the callback comes after the owner was cleared", "-mm, August 2008", "31a78f23bac0", "2.6.27"),
    Bug(15, "a charge dereferences an owner that is nobody", "-mm, 2008", "31a78f23bac0", "2.6.27"),
    Bug(16, "exec hands over with mmap_sem held, and the handoff takes it", "-mm, July 2008", "31a78f23bac0", "2.6.27"),
    Bug(17, "mmap_sem, which sleeps, is taken under tasklist_lock", "-mm, June 2008", "9363b9f23c9c", "2.6.28"),
    Bug(18, "a hook takes the alloc_lock that is held around it", "memrlimit patches, 2008", "dropped with memrlimit", "-"),
    Bug(19, "a hook mixes up old and new, or does not expect nobody", "memrlimit patches, 2008",
        "review, August 2008", "-"),
    Bug(20, "show_page_path dereferences an owner that is nobody", "2.6.27", "748f1a2ed7a6", "2.6.28"),
    Bug(21, "a reader follows the owner outside RCU", "2.6.26 to 2.6.28", "2e4d40915fb8, e638c1394010", "2.6.29, 2.6.30"),
    Bug(22, "a css that is going away is pinned", "2.6.26 to 2.6.28", "54595fe2652f", "2.6.29", _REFERENCES),
    Bug(23, "siblings are the tracer's children", "rfc-v4 to 2.6.29", "dea33cfd9902", "2.6.31"),
    Bug(24, "own threads are not found among relatives", "2.6.33 to 6.1",
        "memcg: mm_update_next_owner: move for_each_thread() into try_to_set_owner()", "6.11"),
    Bug(25, "the last user leaves its name behind", "rfc-v4 to 2.6.33", "733eda7ac316 (hash from memory)", "3.0"),
    Bug(26, "a kernel thread is elected", "rfc-v4 to 3.0", "39af1765f1f6 (hash from memory)", "3.16"),
    Bug(27, "the third stage tests all threads of a process, or leaves it too early", "rfc-v4 to 3.0; a slip in its repair",
        "the patches after 39af1765f1f6", "3.16"),
    Bug(28, "a zombie sits in the root cgroup", "rfc-v4 to 3.16", "2e91fa7f6d45", "4.4"),
    Bug(29, "tens of thousands of processes are walked under tasklist_lock", "all", "not merged (April 2018)", "-", _SPEED),
    Bug(30, "a fork that fails leaves the freed child as owner", "rfc-v4 to 4.4", "c3f3ce049f7d", "5.2"),
    Bug(31, "plain reads of the owner race with its writer", "all up to 6.1 (report of January 2022)",
        "none: WRITE_ONCE since 5.2, READ_ONCE since 6.11", "-",
        "a report of a tool; only the true owner writes, so the reader is right either way"),
    Bug(32, "a charge waits for ever for an offline css", "up to 5.4-rc", "00d484f354d8 (hash from memory)", "5.4", _REFERENCES),
    Bug(33, "an mm that is on no MGLRU list yet is moved to another", "6.1", "de08eaa61564", "6.2, and stable 6.1"),
    Bug(34, "the walk goes on when no other user is left: hard lockup", "rfc-v4 to 5.2", "cf3f9a593dab",
        "6.10, and stable 6.1", _SPEED),
    Bug(35, "each lost race starts the whole search again", "rfc-v4 to 6.1",
        'memcg: kill the "retry" logic in mm_update_next_owner()', "6.11"),
    Bug(36, "still open: the cost of finding nobody, the root paying for an mm without owner, windows in fork",
        "6.11", "none", "-", "open: no dialect has a fix, so the right answer is still the bug"),
)  # fmt: skip

BUGS: Final[Mapping[int, Bug]] = MappingProxyType({bug.number: bug for bug in _ROWS})
