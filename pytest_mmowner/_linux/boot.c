/* boot.c: mount, open the serial line, power off: all that is special about being PID 1. */
#define _GNU_SOURCE
#include "boot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

static bool mount_cgroup(int version)
{
	return version == 1 ? !mount("cgroup", "/cgroup", "cgroup", 0, "memory")
			    : !mount("cgroup", "/cgroup", "cgroup2", 0, NULL);
}

bool boot_up(const char *want)
{
	struct termios raw;
	int line, ready, first = want && !strcmp(want, "2") ? 2 : 1;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/tmp", 0755);
	mkdir("/cgroup", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3));
	mknod("/dev/ttyS0", S_IFCHR | 0600, makedev(4, 64));
	mknod("/dev/ttyS1", S_IFCHR | 0600, makedev(4, 65));
	line = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (line < 0) {
		fprintf(stderr, "mmowner: no serial line for the protocol\n");
		return false;
	}
	if (!tcgetattr(line, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(line, TCSANOW, &raw);
	}
	dup2(line, 0);
	dup2(line, 1);
	close(line);
	/* The guard waits for a byte here before it makes UML look at its input. */
	ready = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (ready >= 0 && write(ready, "!", 1) == 1)
		tcdrain(ready);
	close(ready);
	return mount_cgroup(first) || mount_cgroup(3 - first);
}

void boot_down(void)
{
	tcdrain(1);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
