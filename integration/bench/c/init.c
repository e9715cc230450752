// The child's side: what `runc spec` asks for.
#define _GNU_SOURCE
#include "floor.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { QUIET = MS_NOSUID | MS_NOEXEC | MS_NODEV };

static void read_only(const char *path, unsigned long flags)
{
    CHECK(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL));
}

static void cgroups(const struct request *r)
{
    if (r->v2) {
        CHECK(mount("cgroup", "sys/fs/cgroup", "cgroup2", QUIET | MS_RELATIME | MS_RDONLY, NULL));
        return;
    }
    CHECK(mount("tmpfs", "sys/fs/cgroup", "tmpfs", QUIET, "mode=755"));
    for (int i = 0; i < r->tree_count; i++) {
        char from[512], to[256];
        cgroup_path(from, sizeof from, r, i, "");
        snprintf(to, sizeof to, "sys/fs/cgroup/%s", strrchr(r->trees[i], '/') + 1);
        CHECK(mkdir(to, 0755));
        CHECK(mount(from, to, NULL, MS_BIND | MS_REC, NULL));
        read_only(to, QUIET);
    }
    read_only("sys/fs/cgroup", QUIET);
}

static void devices(void)
{
    static const struct { const char *path; int major, minor; } nodes[] = {
        {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7},
        {"dev/tty", 5, 0}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}};
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"},
        {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}, {"/proc/kcore", "dev/core"},
        {"pts/ptmx", "dev/ptmx"}};
    for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++)
        CHECK(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++)
        CHECK(symlink(links[i][0], links[i][1]));
}

static void masks(void)
{
    static const char *const locked[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    static const char *const hidden[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
    struct stat found;
    for (unsigned i = 0; i < sizeof locked / sizeof *locked; i++) {
        if (stat(locked[i], &found) < 0)
            continue;
        CHECK(mount(locked[i], locked[i], NULL, MS_BIND | MS_REC, NULL));
        read_only(locked[i], QUIET);
    }
    for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (stat(hidden[i], &found) < 0)
            continue;
        if (S_ISDIR(found.st_mode))
            CHECK(mount("tmpfs", hidden[i], "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1"));
        else
            CHECK(mount("/dev/null", hidden[i], NULL, MS_BIND, NULL));
    }
}

void rootfs_make(const struct request *r)
{
    umask(0);
    if (r->v2)
        CHECK(unshare(CLONE_NEWCGROUP));
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    CHECK(mount(r->rootfs, r->rootfs, NULL, MS_BIND | MS_REC, NULL));
    CHECK(chdir(r->rootfs));
    CHECK(mount("proc", "proc", "proc", 0, NULL));
    CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    CHECK(mkdir("dev/pts", 0755));
    CHECK(mkdir("dev/shm", 0755));
    CHECK(mkdir("dev/mqueue", 0755));
    CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    CHECK(mount("shm", "dev/shm", "tmpfs", QUIET, "mode=1777,size=65536k"));
    CHECK(mount("mqueue", "dev/mqueue", "mqueue", QUIET, NULL));
    CHECK(mount("sysfs", "sys", "sysfs", QUIET | MS_RDONLY, NULL));
    cgroups(r);
    devices();
    read_only(".", 0);
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(chdir("/"));
    CHECK(sethostname("floor", 5));
    masks();
    umask(022);
}

// The three capabilities that `runc spec` leaves.
static void capabilities(void)
{
    unsigned long keep = 1UL << CAP_AUDIT_WRITE | 1UL << CAP_KILL | 1UL << CAP_NET_BIND_SERVICE;
    for (int i = 0; i <= CAP_LAST_CAP; i++)
        if (!(keep >> i & 1))
            CHECK(prctl(PR_CAPBSET_DROP, i, 0, 0, 0));
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    CHECK(setgroups(0, NULL));
    CHECK(syscall(SYS_setresgid, 0, 0, 0));
    CHECK(syscall(SYS_setresuid, 0, 0, 0));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{keep, keep, 0}, {0, 0, 0}};
    CHECK(syscall(SYS_capset, &header, data));
}

_Noreturn void program_execute(const struct request *r)
{
    static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                        "TERM=xterm", NULL};
    struct rlimit files = {1024, 1024};
    CHECK(setsid());
    CHECK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "floor"));
    CHECK(setrlimit(RLIMIT_NOFILE, &files));
    capabilities();
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK(syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */));
    execve(r->program[0], r->program, environment);
    die("execve");
}
