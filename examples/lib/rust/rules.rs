//! rules.rs: the owner rules of Linux 6.11, as a `lib:` candidate of the rules level in Rust.
//!
//! `make librules.so`; then: pytest --pyargs mmowner_conformance --mmowner-candidate=lib:./librules.so
//! `make libstale.so` is wrong on purpose (`--cfg stale`): it does not look again once it has the
//! alloc_lock.  Compiled with `-C panic=abort`: a panic must not unwind into the host.

#![allow(non_upper_case_globals)]

use std::ffi::c_char;
use std::mem::{offset_of, size_of};
use std::ptr::null;

/// A task: a handle of the host.
type Task = u32;
/// An mm: likewise.  Both are 0 for none.
type Mm = u32;

const ABI: u32 = 1;
const KTHREAD: u32 = 1;

/// `struct mmo_host` of mmowner.h, member by member.
#[repr(C)]
pub struct Host {
    abi: u32,
    size: u32,
    current: extern "C" fn() -> Task,
    task_mm: extern "C" fn(Task) -> Mm,
    task_flags: extern "C" fn(Task) -> u32,
    real_parent: extern "C" fn(Task) -> Task,
    parent: extern "C" fn(Task) -> Task,
    mm_users: extern "C" fn(Mm) -> i32,
    get_owner: extern "C" fn(Mm) -> Task,
    set_owner: extern "C" fn(Mm, Task),
    next_child: extern "C" fn(Task, Task) -> Task,
    next_process: extern "C" fn(Task) -> Task,
    next_thread: extern "C" fn(Task, Task) -> Task,
    tasklist_read_lock: extern "C" fn(),
    tasklist_read_unlock: extern "C" fn(),
    rcu_read_lock: extern "C" fn(),
    rcu_read_unlock: extern "C" fn(),
    task_lock: extern "C" fn(Task),
    task_unlock: extern "C" fn(Task),
    mmap_write_lock: extern "C" fn(Mm),
    mmap_write_unlock: extern "C" fn(Mm),
    task_get: extern "C" fn(Task),
    task_put: extern "C" fn(Task),
    lru_gen_migrate: extern "C" fn(Mm),
}

static mut HOST: *const Host = null();

fn host() -> &'static Host {
    // Set by mmo_open() before anything else is called, and good for ever.
    unsafe { &*HOST }
}

#[no_mangle]
pub extern "C" fn mmo_open(its: &'static Host) -> u32 {
    unsafe { HOST = its };
    let needed = offset_of!(Host, lru_gen_migrate) + size_of::<extern "C" fn(Mm)>();
    if its.size as usize >= needed { ABI } else { 0 }
}

#[no_mangle]
pub extern "C" fn mmo_name() -> *const c_char {
    c"example-rules".as_ptr()
}

#[no_mangle]
pub extern "C" fn mmo_language() -> *const c_char {
    c"Rust".as_ptr()
}

#[no_mangle]
pub extern "C" fn mmo_dialect() -> *const c_char {
    c"6.11".as_ptr()
}

#[no_mangle]
pub extern "C" fn mmo_mm_init(mm: Mm, task: Task) {
    (host().set_owner)(mm, task);
}

#[no_mangle]
pub extern "C" fn mmo_mm_clear(mm: Mm, task: Task) {
    if (host().get_owner)(mm) == task {
        (host().set_owner)(mm, 0);
    }
}

/// The tasks that a list of the host has, one call each.
fn walk(next: impl Fn(Task) -> Task) -> impl Iterator<Item = Task> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at = next(at);
        (at != 0).then_some(at)
    })
}

/// True: the task is the owner, and tasklist_lock has been released.
fn try_to_set_owner(task: Task, mm: Mm) -> bool {
    (host().task_lock)(task);
    // With its alloc_lock held it cannot leave any more.
    let still = cfg!(stale) || (host().task_mm)(task) == mm;
    if still {
        (host().tasklist_read_unlock)();
        (host().set_owner)(mm, task);
        (host().lru_gen_migrate)(mm);
    }
    (host().task_unlock)(task);
    still
}

fn try_group(leader: Task, mm: Mm) -> bool {
    for task in walk(|prev| (host().next_thread)(leader, prev)) {
        let its = (host().task_mm)(task);
        if its == mm && try_to_set_owner(task, mm) {
            return true;
        }
        if its != 0 && its != mm {
            return false; // threads share their mm: the rest has that one, too
        }
    }
    false
}

fn try_children(parent: Task, mm: Mm) -> bool {
    walk(|prev| (host().next_child)(parent, prev)).any(|leader| try_group(leader, mm))
}

fn try_everybody(mm: Mm) -> bool {
    for leader in walk(|prev| (host().next_process)(prev)) {
        if (host().mm_users)(mm) <= 1 {
            return false;
        }
        if (host().task_flags)(leader) & KTHREAD == 0 && try_group(leader, mm) {
            return true;
        }
    }
    false
}

#[no_mangle]
pub extern "C" fn mmo_update_next_owner(mm: Mm) {
    let me = (host().current)();
    if (host().get_owner)(mm) != me {
        return; // somebody else's problem
    }
    if (host().mm_users)(mm) > 1 {
        (host().tasklist_read_lock)();
        if try_children(me, mm) || try_children((host().real_parent)(me), mm) || try_everybody(mm) {
            return;
        }
        (host().tasklist_read_unlock)();
    }
    (host().set_owner)(mm, 0);
}
