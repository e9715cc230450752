// What the parts of the floor program share.
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>

#define CHECK(call) ((call) < 0 ? die(#call) : (void)0)
#define MAX_TREES 16

_Noreturn void die(const char *what);

// One call, from the command line.
struct request {
    bool v2;
    char *trees[MAX_TREES]; // where the cgroup hierarchies are mounted
    int tree_count;
    const char *cgroup; // the container's, below each of them
    const char *state;  // the directory for its state
    const char *rootfs;
    const char *pid_file;
    char **program;
};

// cgroup.c
void cgroup_make(const struct request *r);
void cgroup_remove(const struct request *r);
void cgroup_path(char *buffer, unsigned long size, const struct request *r, int tree, const char *file);
int cgroup_open_tasks(const struct request *r, int *fds);
void cgroup_enter(const int *fds, int count);

// init.c
void rootfs_make(const struct request *r);
_Noreturn void program_execute(const struct request *r);

#endif
