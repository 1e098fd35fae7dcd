/*
 * The kernel's certificate: does anybody else have this file open?
 *
 * A write lease (fcntl(2), F_SETLEASE) is granted only if the caller's is the only open of the inode on the
 * whole machine, in whatever namespace and by whatever user; mappings and descriptors in flight count
 * too. It is given back in the next call, so that nobody who opens the file meanwhile waits longer than
 * that. Tried on ext4, XFS, btrfs, tmpfs and overlay (reference/locks.md 4.7).
 */
#ifndef LINUX_LEASE_H
#define LINUX_LEASE_H

enum lease_answer {
	LEASE_ALONE,	   /* nobody */
	LEASE_SHARED,	   /* somebody */
	LEASE_NOT_ALLOWED, /* needs to own the file, or CAP_LEASE */
	LEASE_MEANINGLESS, /* leases are switched off, or this file system cannot tell */
};

enum lease_question {
	LEASE_ANYBODY, /* does anybody else have it open? (a write lease) */
	LEASE_WRITER,  /* does anybody have it open for writing? (a read lease) */
};

/*
 * Asks for a file opened O_RDONLY, of which the caller has no other open. Blocks all signals and ignores SIGIO
 * while it holds the lease. The caller makes sure that the file system is a local one (mounts.h): on FUSE
 * and on a network the kernel grants what it cannot know.
 */
enum lease_answer lease_ask(int fd, enum lease_question question);

#endif
