"""Says what a chunk of C at file level defines: how it is called, and of what kind it is.

Chunks come from :mod:`._scan` with comments and strings blanked.  Types are unknown here, so
the shape decides: the last name before parentheses that is no attribute is a function's, a
word before ``=`` or ``;`` with a word before it is a variable's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

#: Attributes with arguments, which stand where a function's name could.
_ATTRIBUTE: Final = re.compile(
    r"__attribute__|__attribute|__(?:cond_)?(?:acquires|releases)(?:_shared)?|__must_hold(?:_shared)?"
    r"|__(?:try_)?(?:acquires|acquire|release)_(?:ret|shared_ret)|__guarded_by|__printf|__scanf"
    r"|__aligned|__section|__section__|__alloc_size|__realloc_size|__malloc|__counted_by|__asm__"
    r"|asm|__assume_aligned|__diagnose_as|__fix_address|typeof|__typeof__|__no_sanitize|__nocf_check"
    r"|__declspec|_Alignas|alignas|_Static_assert|__bpf_kfunc_arg|__copy|__alias|__target|__error"
    r"|__warning|__compiletime_error|__compiletime_warning|__excluded_by|__context_unsafe"
)
#: Attributes without arguments, which may stand behind a variable's name.
_TRAILING: Final = re.compile(
    r"__(?:read_mostly|initdata\w*|initconst\w*|ro_after_init|cacheline_aligned\w*"
    r"|____cacheline\w*|rcu|percpu|user|iomem|ref|refdata|used|maybe_unused|visible|weak"
    r"|init_task_data|latent_entropy|randomize_layout|packed|devinitdata|exitdata|cpuinitdata"
    r"|lockfunc|sched|data|page_aligned\w*|attribute_const__|deprecated|__unused)"
    r"|____cacheline_\w+|__private|__bitwise\w*|__designated_init|randomized_struct_fields_end"
)
_INVOCATION: Final = re.compile(
    r"\s*(?:static\s+)?(?!\w*SYSCALL)([A-Z][A-Z0-9_]*|(?:\w*_)?initcall\w*|module_\w+|early_param|__setup|core_param"
    r"|console_initcall|EXPORT_\w+|trace_\w+|fs_initcall)\s*(?=\()"
)
_STORAGE: Final = re.compile(
    r"\b(?:static|extern|inline|__inline__|__inline|__always_inline|const)\b"
)
_FIRST_ARGUMENT: Final = re.compile(
    r"\b((?:DEFINE|DECLARE)_\w+|\w*LIST_HEAD|\w*NOTIFIER_HEAD|LIST_HEAD|EMPTY_TEMPLATE)\s*\(\s*([^,)]*)(?:,\s*([^,)]*))?"
)
_CLASS: Final = re.compile(
    r"DEFINE_(?:LOCK_)?(?:COND_)?(?:GUARD|CLASS)\w*|DEFINE_FREE|DECLARE_(?:LOCK_)?GUARD\w*|EXTEND_CLASS\w*"
)
_TAGGED: Final = re.compile(
    r"\b(struct|union|enum)\s+(?:__\w+(?:\(\([^)]*\)\))?\s+)*(\w+)?\s*(?:__\w+\s*)*$"
)
_SYSCALL: Final = re.compile(r"\b(COMPAT_)?SYSCALL(?:32|64)?_DEFINE\w*\s*\(\s*(\w+)")
_STATEMENT: Final = re.compile(
    r"\s*(?:return|goto|case|default|break|continue|else|if|for|while|do|switch)\b"
)
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def is_function(head: str) -> bool:
    """Whether a block after *head* is the body of a function."""
    head = _code(head)
    if re.match(r"\s*typedef\b", head) or _STATEMENT.match(head) or _assigned(head):
        return False
    return _function_name(head) is not None


def definition_names(head: str, rest: str) -> Iterator[tuple[str, str]]:
    """Yield (name, kind) of the chunk *head* + *rest*; *rest* starts with its first block."""
    head, rest = _code(head), _code(rest)
    if not head.strip() or _STATEMENT.match(head):
        return
    if rest and is_function(head):
        name = _function_name(head)
        if name is not None:
            yield name, "function"
        return
    made = _FIRST_ARGUMENT.search(head)
    if made is not None and not _NAME.search(_STORAGE.sub("", head[: made.start()])):
        yield from _made(made)
        return
    tagged = _TAGGED.search(head) if rest else None
    if re.match(r"\s*typedef\b", head):
        yield from _tag(tagged, rest)
        yield from _typedef(head + _without_blocks(rest))
    elif tagged is not None and not _assigned(head):
        yield from _tag(tagged, rest)
        behind = _without_blocks(rest)
        if behind.strip(" \t\r\n;"):
            yield from _variables("int " + behind, external=False)
    else:
        text = head + (_without_blocks(rest) if rest else "")
        name = None if _assigned(text) else _function_name(text)
        if name is not None:
            if _NAME.search(_STORAGE.sub("", text[: text.find(name)])):
                yield name, "prototype"
        else:
            yield from _variables(text, external=bool(re.match(r"\s*extern\b", text)))


def leading_invocation(code: str, *, alone: bool = False) -> int | None:
    """Return where a macro invocation without semicolon ends that *code* starts with.

    Something must follow on another line (a body would make it a function), or, *alone*,
    nothing at all.
    """
    match = _INVOCATION.match(code)
    if match is None:
        return None
    end = _closing(code, match.end())
    if end is None:
        return None
    rest = code[end:]
    if alone:
        return None if rest.strip() else end
    follows = re.match(r"[ \t]*\r?\n\s*[A-Za-z_]", rest)
    return end if follows else None


def _code(head: str) -> str:
    """Without directives: both branches of a condition within a head are read."""
    if "#" not in head:
        return head
    return re.sub(r"^[ \t]*#(?:\\\r?\n|[^\n])*", "", head, flags=re.MULTILINE)


def _closing(code: str, start: int) -> int | None:
    depth = 0
    for match in re.compile(r"[()]").finditer(code, start):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return match.end()
    return None


def _groups(head: str) -> list[tuple[str, int, int]]:
    """The parentheses of *head* at its top: the name before (may be empty), start, end."""
    groups = []
    depth, start = 0, 0
    for match in re.finditer(r"[()]", head):
        if match[0] == "(":
            if depth == 0:
                start = match.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                before = re.search(r"([A-Za-z_]\w*)\s*$", head[:start])
                groups.append((before[1] if before else "", start, match.end()))
    return groups


def _function_name(head: str) -> str | None:
    syscall = _SYSCALL.search(head)
    if syscall is not None:
        return f"{'compat_' if syscall[1] else ''}sys_{syscall[2]}"
    groups = [one for one in _groups(head) if not _ATTRIBUTE.fullmatch(one[0])]
    # `int f(void) SOME_ATTRIBUTE(x)`: a name right behind parentheses is an attribute's.
    while len(groups) > 1 and re.fullmatch(r"__\w+|[A-Z][A-Z0-9_]*", groups[-1][0]):
        between = head[groups[-2][2] : groups[-1][1]].strip()
        if between != groups[-1][0] or not groups[-2][0]:
            break
        groups.pop()
    if not groups:
        return None
    name, start, end = groups[-1]
    # `int (*f(int a))(void)` returns a pointer to a function; `int (*f)(int a)` is a variable.
    pointer = [
        head[one[1] : one[2]] for one in groups if re.match(r"\(\s*\*", head[one[1] : one[2]])
    ]
    if pointer and (not name or len(groups) > 1):
        inner = re.match(r"\(\s*\*+\s*(?:\w+\s+)?(\w+)\s*\(", pointer[0])
        return inner[1] if inner else None
    if re.match(r"\(\s*\*", head[start:end]):
        return None
    return name or None


def _assigned(head: str) -> bool:
    flat = re.sub(r"\[[^\]]*\]", "", head)
    depth = 0
    for match in re.finditer(r"[()=]", flat):
        if match[0] == "=":
            if depth == 0:
                return True
        else:
            depth = max(depth + (1 if match[0] == "(" else -1), 0)
    return False


def _made(made: re.Match[str]) -> Iterator[tuple[str, str]]:
    macro, first, second = made[1], made[2].strip(), (made[3] or "").strip()
    if _CLASS.fullmatch(macro):
        yield (f"__free_{first}" if macro == "DEFINE_FREE" else f"class_{first}"), "function"
        return
    name = second if "PER_CPU" in macro else first
    if _NAME.fullmatch(name):
        yield name, "prototype" if macro.startswith("DECLARE_PER_CPU") else "variable"


def _tag(tagged: re.Match[str] | None, rest: str) -> Iterator[tuple[str, str]]:
    if tagged is None:
        return
    kind = "enum" if tagged[1] == "enum" else "struct"
    if tagged[2]:
        yield tagged[2], kind
    if kind == "enum":
        body = rest[1 : _block_end(rest) - 1]
        depth = 0
        part = ""
        for char in body + ",":
            depth += (char in "({[") - (char in ")}]")
            if char == "," and depth == 0:
                name = _NAME.match(part.strip())
                if name:
                    yield name[0], "enum"
                part = ""
            else:
                part += char


def _block_end(rest: str) -> int:
    depth = 0
    for match in re.finditer(r"[{}]", rest):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    return len(rest)


def _without_blocks(rest: str) -> str:
    text = rest
    while (start := text.find("{")) >= 0:
        text = text[:start] + text[start + _block_end(text[start:]) :]
    return text


def _typedef(text: str) -> Iterator[tuple[str, str]]:
    pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", text)
    if pointer:
        yield pointer[1], "typedef"
        return
    name = _function_name(text)
    if name is not None:
        yield name, "typedef"
        return
    words = [
        word
        for word in _NAME.findall(re.sub(r"\[[^\]]*\]|\([^()]*\)", " ", text))
        if not _TRAILING.fullmatch(word)
    ]
    words = [word for word in words if not _ATTRIBUTE.fullmatch(word)]
    if len(words) > 1:
        yield words[-1], "typedef"


def _variables(text: str, *, external: bool) -> Iterator[tuple[str, str]]:
    kind = "prototype" if external else "variable"
    depth, parts = 0, [""]
    for char in text.rstrip(" \t\r\n;"):
        depth += (char in "({[") - (char in ")}]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    for number, part in enumerate(parts):
        declarator = re.split(r"(?<![=!<>])=(?!=)", part, maxsplit=1)[0]
        pointer = re.search(r"\(\s*\*+\s*(?:const\s+)?(\w+)", declarator)
        flat = re.sub(r"\[[^\]]*\]?|\([^()]*(?:\([^()]*\)[^()]*)*\)", " ", declarator)
        if "->" in flat or re.search(r"\.\s*\w|[+\-/%&|^!<>?:]", flat):
            return  # a statement: the text started within a function
        words = [word for word in _NAME.findall(flat) if not _TRAILING.fullmatch(word)]
        words = [word for word in words if not _ATTRIBUTE.fullmatch(word)]
        if number == 0 and len(words) < 2 and not (words and pointer):
            return
        if number == 0 and len(words) == 2 and words[0] in {"struct", "union", "enum"}:
            return  # `struct x;`
        name = pointer[1] if pointer else words[-1] if words else ""
        if name:
            yield name, kind
