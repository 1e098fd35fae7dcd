"""What a disk may hold after a power loss, made from what record.so has written down.

The rules are those of POSIX, not of one file system:

  * A write or a change of size is durable when the file has been synced after it. Until then each of its 512-byte
    sectors may be there or not, whatever became of those before and after it.
  * A name that is made, removed or changed is durable when its folder has been synced after it. Until then it may be
    there or not, whatever became of the others, except for an earlier one of the same name: what was done to one name
    stays in its order. A rename is one change, in both folders. Syncing a file does not make its name durable.

  * What was pending when a sync of its file failed counts as written from then on, but need not be: no later sync makes
    it durable.

Disk follows the operations one by one; after each, states() makes up what a power loss at this moment may leave.
"""

import os
import random
from dataclasses import dataclass, field

from operations import COVERED, HAS_CREATED

SECTOR = 512
RENAME_EXCHANGE = 2

NAME_OPERATIONS = ("mkdir", "symlink", "link", "unlink", "rename")

# How much of what is pending is there: nothing, all, a prefix, whole writes, sectors.
HOWS = ("none", "all", "first", "some", "sectors", "sectors", "sectors", "sectors")


@dataclass
class File:
    """A file, by what is durable of it, and what was done since then that may be."""
    durable: bytes = b""
    pending: list = field(default_factory=list)  # (offset, bytes), or (new size, None)
    lost: int = 0  # how many of them a failed sync was for
    sure: int = 0  # how many after those are durable


@dataclass
class Change:
    """What an operation does to names: (folder, name) -> number, or None when there is none any more."""
    names: dict
    emptied: int = None  # the folder that is removed: what was done in it comes before


def apply_to(content, piece):
    offset, data = piece
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    elif data:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset:offset + len(data)] = data


def with_pieces(content, pieces):
    result = bytearray(content)
    for piece in pieces:
        apply_to(result, piece)
    return bytes(result)


def enter(folders, names):
    """Makes these changes of names in the folders."""
    for (folder, name), number in names.items():
        if number is None:
            folders[folder].pop(name, None)
        else:
            folders[folder][name] = number


def sectors(piece):
    """The piece, divided at the file's sectors."""
    offset, data = piece
    if data is None:
        yield piece
        return
    at = 0
    while at < len(data):
        end = at + SECTOR - (offset + at) % SECTOR
        yield offset + at, data[at:end]
        at = end


class Disk:
    def __init__(self, root):
        """Takes the folder `root` as it is now: all of it is durable."""
        # A file system uses an inode again: what they stand for has a number of its own here.
        self.numbers = {}  # inode -> number
        self.files = {}  # number -> File
        self.links = {}  # number of a symbolic link -> its text
        self.folders = {}  # number -> its names -> number, as they are durable
        self.now = {}  # as folders, as the processes see it
        self.changes = []  # not durable yet, in their order
        self.made = 0
        self.root_path = root
        self.root = self._take(root)

    def _new(self, inode):
        number = self.numbers[inode] = self.made = self.made + 1
        return number

    def _take(self, path):
        names = {}
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                names[entry.name] = self._take(entry.path)
                continue
            if not (entry.is_symlink() or entry.is_file()):  # a device, which marks what an overlay hides
                continue
            number = names[entry.name] = self._new(entry.inode())
            if entry.is_symlink():
                self.links[number] = os.readlink(entry.path)
            else:
                with open(entry.path, "rb") as file:
                    self.files[number] = File(file.read())
        number = self._new(os.stat(path).st_ino)
        self.folders[number], self.now[number] = names, dict(names)
        return number

    # --- following the operations -----------------------------------------------------------------------------------

    def _locate(self, path):
        """(folder, name) of a path below the root."""
        *parents, name = os.path.relpath(path, self.root_path).split("/")
        folder = self.root
        for parent in parents:
            folder = self.now[folder][parent]
        return folder, name

    def _file(self, operation):
        """What is written to. A file that is nowhere below the root any more is of no interest."""
        return self.files.get(self.numbers.get(operation.inode), File())

    def _change(self, names, emptied=None):
        enter(self.now, names)
        self.changes.append(Change(names, emptied))

    def _synced(self, number):
        if number in self.files:
            file = self.files[number]
            file.sure = len(file.pending) - file.lost
            if file.lost == 0:
                file.durable, file.pending, file.sure = with_pieces(file.durable, file.pending), [], 0
        elif number in self.folders:
            self._settle(self._with_earlier({index for index, change in enumerate(self.changes)
                                             if any(folder == number for folder, _ in change.names)}))

    def _with_earlier(self, kept):
        """The indexes of these changes, and of the earlier ones that come before them."""
        kept, names, emptied = set(kept), set(), set()
        for index in reversed(range(len(self.changes))):
            change = self.changes[index]
            if index in kept or names & change.names.keys() or any(folder in emptied for folder, _ in change.names):
                kept.add(index)
                names |= change.names.keys()
                emptied.add(change.emptied)
        return kept

    def _settle(self, kept):
        for index in sorted(kept):
            enter(self.folders, self.changes[index].names)
        self.changes = [change for index, change in enumerate(self.changes) if index not in kept]

    def follow(self, operation):
        """What has no method below is an attribute: it changes neither content nor names.

        A name below a mount, or in a folder that the kernel made for it, is of no interest: nobody looks at it again.
        The file may have another name, and so what is written there counts.
        """
        is_name = operation.traits & HAS_CREATED or operation.name in NAME_OPERATIONS
        method = getattr(self, "_do_" + operation.name, None)
        if method and not (is_name and (COVERED in operation.path or not self._is_in_known(operation.path))):
            method(operation)

    def _is_in_known(self, path):
        try:
            self._locate(path)
        except KeyError:
            return False
        return True

    def _do_open(self, operation):
        if operation.traits & HAS_CREATED:
            number = self._new(operation.inode)
            self.files[number] = File()
            if not operation.path.endswith(" (deleted)"):  # made without a name
                self._change({self._locate(operation.path): number})
        elif operation.length:  # O_TRUNC
            self._file(operation).pending.append((0, None))

    def _do_mkdir(self, operation):
        number = self._new(operation.inode)
        self.folders[number], self.now[number] = {}, {}
        self._change({self._locate(operation.path): number})

    def _do_symlink(self, operation):
        number = self._new(operation.inode)
        self.links[number] = operation.second
        self._change({self._locate(operation.path): number})

    def _do_link(self, operation):
        self._change({self._locate(operation.path): self.numbers[operation.inode]})

    def _do_unlink(self, operation):
        number = self.numbers.get(operation.inode)
        self._change({self._locate(operation.path): None}, emptied=number if number in self.folders else None)

    def _do_rename(self, operation):
        old, new = self._locate(operation.path), self._locate(operation.second)
        exchanged = self.now[new[0]].get(new[1]) if operation.length & RENAME_EXCHANGE else None
        self._change({old: exchanged, new: self.numbers[operation.inode]})

    def _do_write(self, operation):
        self._file(operation).pending.append((operation.offset, operation.data))

    _do_copy_file_range = _do_write
    _do_clone = _do_write

    def _do_truncate(self, operation):
        self._file(operation).pending.append((operation.length, None))

    def _do_extend(self, operation):
        """fallocate() without flags: the file is never shorter than before."""
        file = self._file(operation)
        if operation.length > len(with_pieces(file.durable, file.pending)):
            file.pending.append((operation.length, None))

    def _do_fallocate(self, operation):
        raise NotImplementedError("fallocate() with flags")

    def _do_fsync(self, operation):
        number = self.numbers.get(operation.inode)
        if not operation.error:
            self._synced(number)
        elif number in self.files:
            file = self.files[number]
            file.lost, file.sure = len(file.pending), 0

    def _do_syncfs(self, _operation):
        self._settle(set(range(len(self.changes))))
        for number in self.files:
            self._synced(number)

    # --- making up states -------------------------------------------------------------------------------------------

    def _content(self, file, how, chance):
        if file.lost:
            return self._content_after_loss(file, chance)
        pieces = file.pending
        if how == "none":
            pieces = []
        elif how == "first":  # a prefix of the writes, the last of them torn
            pieces = pieces[:chance.randint(0, len(pieces))]
            last = list(sectors(pieces[-1])) if pieces else []
            pieces = pieces[:-1] + last[:chance.randint(0, len(last))]
        elif how == "some":
            pieces = [piece for piece in pieces if chance.random() < 0.5]
        elif how == "sectors":
            share = chance.random()
            pieces = [part for piece in pieces for part in sectors(piece) if chance.random() < share]
        return with_pieces(file.durable, pieces)

    @staticmethod
    def _content_after_loss(file, chance):
        share = chance.choice((0, 1, 0.5))
        sure = range(file.lost, file.lost + file.sure)
        return with_pieces(file.durable, [part for index, piece in enumerate(file.pending) for part in sectors(piece)
                                          if index in sure or chance.random() < share])

    def _state(self, kept, how, chance):
        """path -> bytes; None for a folder, a str for a symbolic link."""
        folders = {number: dict(names) for number, names in self.folders.items()}
        for index in sorted(kept):
            enter(folders, self.changes[index].names)
        state, contents = {}, {}

        def walk(folder, path):
            for name, number in folders[folder].items():
                if number in folders:
                    state[path + name] = None
                    walk(number, path + name + "/")
                elif number in self.links:
                    state[path + name] = self.links[number]
                else:
                    if number not in contents:
                        contents[number] = self._content(self.files[number], how or chance.choice(HOWS), chance)
                    state[path + name] = contents[number]

        walk(self.root, "")
        return state

    def states(self, chance, count):
        """Yields states: all names in order up to each one, each name alone, all but it, and `count` random ones.

        There is only one when all is durable.
        """
        every = range(len(self.changes))
        for how in ("none", "all"):
            for end in range(len(self.changes) + 1):
                yield self._state(range(end), how, chance)
        for index in every:
            yield self._state(self._with_earlier({index}), "all", chance)
            yield self._state({other for other in every if index not in self._with_earlier({other})}, "all", chance)
        for _ in range(count if every or any(file.pending for file in self.files.values()) else 0):
            share = chance.choice((chance.random(), 1, 1))
            kept = self._with_earlier({index for index in every if chance.random() < share})
            yield self._state(kept, chance.choice((None, None, None, "none", "all")), chance)


def cuts(disk, operations, seed, count):
    """Does the operations to the disk. Yields after how many of them a power loss comes, and the states it may leave.

    `count` of the states are random ones. They are the same for the same seed.
    """
    for cut in range(len(operations) + 1):
        if cut > 0:
            disk.follow(operations[cut - 1])
        yield cut, disk.states(random.Random(f"{seed} {cut}"), count)
