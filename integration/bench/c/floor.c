// The floor: the kernel calls that the default bundle needs, and nothing else. What
// this program costs is what the kernel charges for a container; a runtime cannot
// cost less. It reads no configuration, checks nothing, and protects itself from nobody.
//
// floor VERB v1|v2 TREES CGROUP STATE ROOTFS PID-FILE PROGRAM ARGUMENT...
//   VERB    run create start delete exec state kill
//   TREES   where the cgroup hierarchies are mounted, with colons between them
//   CGROUP  the container's cgroup below each of them; its parent exists
//   STATE   the directory for the container's state; its parent exists
#define _GNU_SOURCE
#include "floor.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET };

_Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static void path_of(char *buffer, size_t size, const struct request *r, const char *file)
{
    snprintf(buffer, size, "%s/%s", r->state, file);
}

static void save(const char *path, pid_t pid)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%d", pid);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd);
    CHECK(write(fd, text, length));
    close(fd);
}

static pid_t load(const struct request *r)
{
    char path[512], text[32] = "";
    path_of(path, sizeof path, r, "pid");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd);
    CHECK(read(fd, text, sizeof text - 1));
    close(fd);
    return atoi(text);
}

static pid_t clone_into(const struct request *r, uint64_t flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    char path[512];
    if (r->v2) {
        cgroup_path(path, sizeof path, r, 0, "");
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        CHECK(fd);
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = fd;
    }
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    CHECK(pid);
    return pid;
}

static int finish(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void forget(const struct request *r)
{
    char path[512];
    path_of(path, sizeof path, r, "pid");
    CHECK(unlink(path));
    CHECK(rmdir(r->state));
    cgroup_remove(r);
}

static int run(const struct request *r)
{
    int tasks[MAX_TREES];
    char path[512];
    CHECK(mkdir(r->state, 0700));
    cgroup_make(r);
    int count = cgroup_open_tasks(r, tasks);
    pid_t pid = clone_into(r, NAMESPACES);
    if (pid == 0) {
        cgroup_enter(tasks, count);
        rootfs_make(r);
        program_execute(r);
    }
    path_of(path, sizeof path, r, "pid");
    save(path, pid);
    int status = finish(pid);
    forget(r);
    return status;
}

static int create(const struct request *r)
{
    int tasks[MAX_TREES], pair[2];
    char path[512], ready = 0;
    CHECK(mkdir(r->state, 0700));
    path_of(path, sizeof path, r, "fifo");
    CHECK(mkfifo(path, 0600));
    int fifo = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fifo);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    cgroup_make(r);
    int count = cgroup_open_tasks(r, tasks);
    pid_t pid = clone_into(r, NAMESPACES);
    if (pid == 0) {
        close(pair[0]);
        cgroup_enter(tasks, count);
        rootfs_make(r);
        CHECK(write(pair[1], "r", 1));
        CHECK(read(fifo, &ready, 1));
        program_execute(r);
    }
    close(pair[1]);
    path_of(path, sizeof path, r, "pid");
    save(path, pid);
    save(r->pid_file, pid);
    return read(pair[0], &ready, 1) == 1 ? 0 : 1;
}

static int start(const struct request *r)
{
    char path[512];
    path_of(path, sizeof path, r, "fifo");
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(fd);
    CHECK(write(fd, "s", 1));
    CHECK(unlink(path));
    return 0;
}

static int execute(const struct request *r)
{
    int tasks[MAX_TREES];
    int pidfd = syscall(SYS_pidfd_open, load(r), 0);
    CHECK(pidfd);
    int count = cgroup_open_tasks(r, tasks);
    CHECK(setns(pidfd, CLONE_NEWPID)); // for the child
    pid_t pid = clone_into(r, 0);
    if (pid == 0) {
        cgroup_enter(tasks, count);
        CHECK(setns(pidfd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | (r->v2 ? CLONE_NEWCGROUP : 0)));
        program_execute(r);
    }
    return finish(pid);
}

static int state(const struct request *r)
{
    char path[64], text[512];
    pid_t pid = load(r);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd);
    CHECK(read(fd, text, sizeof text));
    int length = snprintf(text, sizeof text, "{\"pid\": %d, \"status\": \"running\"}\n", pid);
    CHECK(write(1, text, length));
    return 0;
}

static int signal_it(const struct request *r)
{
    int pidfd = syscall(SYS_pidfd_open, load(r), 0);
    CHECK(pidfd);
    int signal = r->program[0] && strcmp(r->program[0], "KILL") == 0 ? SIGKILL : SIGUSR1;
    CHECK(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
    return 0;
}

static int delete(const struct request *r)
{
    struct pollfd init = {.fd = syscall(SYS_pidfd_open, load(r), 0), .events = POLLIN};
    if (init.fd >= 0 && poll(&init, 1, 0) == 0)
        return 1; // it lives
    forget(r);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int (*call)(const struct request *); } verbs[] = {{"run", run},
        {"create", create}, {"start", start}, {"delete", delete}, {"exec", execute}, {"state", state}, {"kill", signal_it}};
    if (argc < 8)
        return 2;
    struct request r = {.v2 = strcmp(argv[2], "v2") == 0, .cgroup = argv[4], .state = argv[5], .rootfs = argv[6],
                        .pid_file = argv[7], .program = argv + 8};
    for (char *tree = strtok(argv[3], ":"); tree && r.tree_count < MAX_TREES; tree = strtok(NULL, ":"))
        r.trees[r.tree_count++] = tree;
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].call(&r);
    return 2;
}
