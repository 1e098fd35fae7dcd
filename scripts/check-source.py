#!/usr/bin/env python3
"""check-source.py - hold the sources to the rules that a compiler does not know.

    check-source.py layers    includes point down only, each library and each dangerous call has one home
    check-source.py sizes     no file and no function is too long to read

Every rule is a row of a table below. Prints FILE:LINE: WHAT for each violation; exits 1 if there was one.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Where the quoted includes of a folder's files may point; the longest folder that fits counts.
LAYERS = {
    "common/base/": ("common/base/",),
    "common/linux/": ("common/linux/", "common/base/"),
    "common/sqlite/": ("common/sqlite/", "common/base/"),
    "common/": ("common/",),
    "tools/": ("common/",),
}

# A system header -> the files and folders that may include it.
HEADERS = {
    "libproc2/": ("common/linux/process.c",),
    "jansson.h": ("common/base/json.c", "common/base/json.h"),
    "sys/capability.h": ("common/linux/privileges.c",),
    "sqlite3.h": ("common/sqlite/",),
    "openssl/": ("common/base/digest.c",),
    "zstd.h": ("common/base/compress.c",),
    "ncurses.h": ("common/base/screen.c",),
}

ALL = ("tools/", "common/")
TALKERS = ("common/base/output.c", "common/base/message.c", "common/base/cli.c")
MEMORY = ("common/base/memory.c",)

# Words of code (not of comments or strings): where they are looked for, who may use them, why nobody else.
WORDS = (
    (r"stdout|stderr", ALL, TALKERS, "only output.c, message.c and cli.c speak to the user"),
    (r"(?:v?d?printf|puts|putchar|perror|psignal|v?warnx?)(?=\s*\()", ALL, TALKERS,
     "only output.c, message.c and cli.c speak to the user"),
    (r"(?:exit|quick_exit|v?errx?)(?=\s*\()", ("common/",), (), "the library returns errors and never exits"),
    (r"(?:_exit|_Exit|abort)(?=\s*\()", ("common/",), MEMORY + ("common/linux/command.c", "common/linux/worker.c",
                                                            "common/linux/guest_keeper.c"),
     "only memory.c may end the program (and command.c, worker.c and guest_keeper.c their forked child)"),
    (r"(?:malloc|calloc|realloc|reallocarray|strdup|strndup)(?=\s*\()", ALL, MEMORY,
     "memory comes from memory.c, which cannot return NULL"),
    (r"(?:system|popen)(?=\s*\()", ALL, (), "no shell in between: run an argv"),
    (r"(?:sprintf|vsprintf|strcpy|stpcpy|strcat|gets)(?=\s*\()", ALL, (), "does not know the size of its target"),
    (r"(?:atoi|atol|atoll|atof)(?=\s*\()", ALL, (), "does not see a wrong number: use parse.h"),
    (r"sqlite3_open\w*(?=\s*\()", ALL, ("common/sqlite/connection.c",), "only connection.c opens a database"),
)

# Patterns in the raw text of files: suffixes, where, where not, why.
TEXTS = (
    (r"\bTO[D]O\b|\bFIX[M]E\b", None, ("tools/", "common/", "tests/", "scripts/", "Makefile", "README.md"), (),
     "unfinished: do it, or file it"),
    (r'"/proc\b', (".c", ".h"), ("common/sqlite/",), (), "sqlite/ knows no /proc"),
    # What runs inside of containers may sleep: it is there to stay.
    (r"(?:^|[^_a-z])u?sleep\s+[\d.$\"]", (".bats", ".sh", ".bash"), ("tests/",), ("tests/cli/engines_docker.bats", "tests/cli/engines_systemd.bats", "tests/cli/engines_hostile.bats"),
     "tests wait by handshake"),
    (r"\bsleep\(", (".py",), ("tests/",), ("tests/sample_bot/", "tests/bench/", "tests/helpers/keep_open.py"),
     "tests wait by handshake"),
    (r"\b(?:u|nano)?sleep\s*\(", (".c", ".h"), ("tests/",), ("tests/bench/",), "tests wait by handshake"),
)

LINES = (("tools/", (".c",), 250), ("common/", (".c", ".h"), 400))
FUNCTION_LINES = 60

COMMENT_OR_STRING = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.DOTALL | re.VERBOSE)

violations = 0


def report(path, line, text):
    global violations
    violations += 1
    print(f"{path}:{line}: {text}")


def matches(path, places):
    """A place is a file, a folder (with all below it), or a folder/* (its own files only)."""
    return any(path == place or (place.endswith("/") and path.startswith(place))
               or (place.endswith("/*") and path.rpartition("/")[0] == place[:-2]) for place in places)


def files(places, suffixes=None):
    for place in places:
        top = ROOT / place
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            path = str(file.relative_to(ROOT))
            if file.is_file() and "/corpus/" not in path and (not suffixes or file.suffix in suffixes):
                yield path, file.read_text(errors="replace")


def sources(places):
    found = list(files(places, (".c", ".h")))
    if not any(path.endswith(".c") for path, _ in found):
        report(places[0], 0, "there is nothing to check")
    return found


def blank(text, keep=""):
    """The text with comments and literals blanked (but for those that start with `keep`), line by line the same."""
    def spaces(match):
        piece = match.group()
        return piece if keep and piece.startswith(keep) else re.sub(r"[^\n]", " ", piece)
    return COMMENT_OR_STRING.sub(spaces, text)


def line_of(text, match):
    return text.count("\n", 0, match.start()) + 1


def check_includes(path, text):
    code = blank(text, keep='"')
    folder = max((folder for folder in LAYERS if path.startswith(folder)), key=len)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)', code, re.MULTILINE):
        kind, header = match.groups()
        ours = kind == '"' or header.startswith(("common/", "tools/")) or ".." in header
        if ours and not (matches(header, LAYERS[folder]) and ".." not in header):
            report(path, line_of(code, match), f"{folder} may not include {header}, only {' '.join(LAYERS[folder])}")
        for prefix, homes in HEADERS.items():
            if header.startswith(prefix) and not matches(path, homes):
                report(path, line_of(code, match), f"{header} belongs to {' '.join(homes)} alone")


def check_words(path, code):
    for words, places, homes, why in WORDS:
        if matches(path, places) and not matches(path, homes):
            for match in re.finditer(rf"\b(?:{words})\b", code):
                report(path, line_of(code, match), f"{match.group()}: {why}")


def check_layers():
    for path, text in sources(ALL):
        check_includes(path, text)
        check_words(path, blank(text))
    for pattern, suffixes, places, exceptions, why in TEXTS:
        for path, text in files(places, suffixes):
            for match in re.finditer(pattern, text, re.MULTILINE):
                if not matches(path, exceptions):
                    report(path, line_of(text, match), f"{match.group().strip()}: {why}")


def check_functions(path, text):
    """A function's body is what stands between a "{" and a "}" at the start of a line, as the format has it."""
    name, start, before = "", 0, ""
    for number, line in enumerate(blank(text).splitlines(), 1):
        head = re.match(r"[A-Za-z_][^=;]*?(\w+)\(", line)
        if head and not start:
            name = head.group(1)
        if line.startswith("}") and start:
            if number - start - 1 > FUNCTION_LINES:
                report(path, start, f"{name}() has {number - start - 1} lines, the limit is {FUNCTION_LINES}")
            start = 0
        elif re.match(r"\{\s*$", line) and before.endswith(")"):
            if start:
                report(path, start, f"the end of {name}() was not found")
            start = number
        elif not start and re.search(r"\)\s*\{\s*$", line) and not line.startswith("#"):
            start = number
        before = line.rstrip() or before
    if start:
        report(path, start, f"the end of {name}() was not found")


def check_sizes():
    for path, text in sources(ALL):
        check_functions(path, text)
        lines = text.count("\n")
        for place, suffixes, limit in LINES:
            if matches(path, (place,)) and path.endswith(suffixes) and lines > limit:
                report(path, lines, f"{lines} lines, the limit is {limit}")


def main():
    checks = {"layers": check_layers, "sizes": check_sizes}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    checks[sys.argv[1]]()
    sys.exit(1 if violations else 0)


main()
