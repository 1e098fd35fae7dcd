/*
 * minimal_walk - the least that finding the holders of a file costs, for the benchmark.
 *
 * minimal_walk FILE
 *
 * Looks at every /proc/PID/fd entry with one fstatat(2) and counts the entries that are FILE, by
 * device and inode; prints the counts. It knows nothing else: no locks, no names, no verdict.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct walk {
	dev_t dev;
	ino_t ino;
	long processes;
	long descriptors;
	long matches;
};

static void walk_descriptors(struct walk *walk, int proc, const char *pid)
{
	char path[300];

	snprintf(path, sizeof path, "%s/fd", pid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder)
		return;
	walk->processes++;
	for (struct dirent *entry; (entry = readdir(folder));) {
		struct stat found;
		if (entry->d_name[0] == '.')
			continue;
		walk->descriptors++;
		if (fstatat(fd, entry->d_name, &found, 0) == 0 && found.st_ino == walk->ino &&
		    found.st_dev == walk->dev)
			walk->matches++;
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	struct stat file;

	if (argc != 2 || stat(argv[1], &file) < 0) {
		fprintf(stderr, "usage: minimal_walk FILE\n");
		return 2;
	}
	struct walk walk = { .dev = file.st_dev, .ino = file.st_ino };
	DIR *proc = opendir("/proc");
	if (!proc) {
		perror("minimal_walk: /proc");
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(proc));)
		if (isdigit((unsigned char)entry->d_name[0]))
			walk_descriptors(&walk, dirfd(proc), entry->d_name);
	closedir(proc);
	printf("%ld processes, %ld descriptors, %ld matches\n", walk.processes, walk.descriptors,
	       walk.matches);
	return 0;
}
