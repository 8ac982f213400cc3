"""The owner rules of Linux 6.11 in 40 lines; one branch is dead.  Tests copy and break it."""


class Rules:
    def __init__(self, host):
        self.host = host

    def mm_init_owner(self, mm, task):
        mm.owner = task

    def mm_clear_owner(self, mm, task):
        if mm.owner is task:
            mm.owner = None

    def mm_update_next_owner(self, mm):
        if mm.owner is not self.host.current:
            return
        if mm.users < 0:
            self.host.bug("negative users")
        if mm.users > 1:
            yield self.host.tasklist_lock.read_lock
            for leader in self.leaders():
                for task in leader.threads:
                    yield task.visit
                    if task.mm is mm:
                        yield task.alloc_lock.lock
                        yield self.host.tasklist_lock.read_unlock
                        mm.owner = task
                        self.host.lru_gen_migrate_mm(mm)
                        yield task.alloc_lock.unlock
                        return
            yield self.host.tasklist_lock.read_unlock
        mm.owner = None

    def leaders(self):
        yield from self.host.current.children
        yield from self.host.current.real_parent.children
        for leader in self.host.processes:
            if not leader.kthread:
                yield leader
