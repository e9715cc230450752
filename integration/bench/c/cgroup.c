// The container's cgroups, and the devices that it may use.
#define _GNU_SOURCE
#include "floor.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void cgroup_path(char *buffer, unsigned long size, const struct request *r, int tree, const char *file)
{
    snprintf(buffer, size, "%s%s%s", r->trees[tree], r->cgroup, file);
}

static void put(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd);
    CHECK(write(fd, text, length));
    close(fd);
}

// A new cpuset is empty on version 1 and takes no process before it is filled.
static void inherit(const struct request *r, int tree, const char *file)
{
    char path[512], text[256];
    cgroup_path(path, sizeof path, r, tree, "");
    snprintf(strrchr(path, '/'), 64, "%s", file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd);
    ssize_t length = read(fd, text, sizeof text);
    CHECK(length);
    close(fd);
    cgroup_path(path, sizeof path, r, tree, file);
    put(path, text, length);
}

static void devices_v1(const struct request *r, int tree)
{
    static const char *const allow[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
                                        "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", "c 5:1 rwm"};
    char path[512];
    cgroup_path(path, sizeof path, r, tree, "/devices.deny");
    put(path, "a", 1);
    cgroup_path(path, sizeof path, r, tree, "/devices.allow");
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd);
    for (unsigned i = 0; i < sizeof allow / sizeof *allow; i++)
        CHECK(write(fd, allow[i], strlen(allow[i])));
    close(fd);
}

#define INSN(op, d, s, o, i) ((struct bpf_insn){.code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})

// The same rules as a program: a device node may always be made, and the named ones used.
static int devices_program(struct bpf_insn *code)
{
    static const struct { int32_t major, minor; } allow[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9},
                                                             {5, 0}, {5, 1}, {5, 2}, {136, -1}};
    int n = 0;
    code[n++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0); // access << 16 | type
    code[n++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
    code[n++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
    code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
    code[n++] = INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
    code[n++] = INSN(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 2, BPF_DEVCG_ACC_MKNOD);
    code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
    code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    code[n++] = INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
    for (unsigned i = 0; i < sizeof allow / sizeof *allow; i++) {
        bool any = allow[i].minor < 0;
        code[n++] = INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, any ? 3 : 4, BPF_DEVCG_DEV_CHAR);
        code[n++] = INSN(BPF_JMP | BPF_JNE | BPF_K, 4, 0, any ? 2 : 3, allow[i].major);
        if (!any)
            code[n++] = INSN(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 2, allow[i].minor);
        code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
        code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    return n;
}

static void devices_v2(const char *path)
{
    struct bpf_insn code[128];
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uintptr_t)code,
                           .insn_cnt = devices_program(code), .license = (uintptr_t)"GPL"};
    int program = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    CHECK(program);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir);
    union bpf_attr attach = {.target_fd = dir, .attach_bpf_fd = program, .attach_type = BPF_CGROUP_DEVICE,
                             .attach_flags = BPF_F_ALLOW_MULTI};
    CHECK(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
    close(dir);
    close(program);
}

void cgroup_make(const struct request *r)
{
    char path[512];
    for (int i = 0; i < r->tree_count; i++) {
        cgroup_path(path, sizeof path, r, i, "");
        CHECK(mkdir(path, 0755));
        if (r->v2) {
            devices_v2(path);
        } else if (strstr(r->trees[i], "cpuset")) {
            inherit(r, i, "/cpuset.cpus");
            inherit(r, i, "/cpuset.mems");
        } else if (strstr(r->trees[i], "devices")) {
            devices_v1(r, i);
        }
    }
}

// A dying process keeps its cgroup busy for a moment.
void cgroup_remove(const struct request *r)
{
    char path[512];
    for (int i = 0; i < r->tree_count; i++) {
        cgroup_path(path, sizeof path, r, i, "");
        while (rmdir(path) < 0)
            if (errno != EBUSY)
                die("rmdir cgroup");
    }
}

int cgroup_open_tasks(const struct request *r, int *fds)
{
    char path[512];
    for (int i = 0; i < r->tree_count && !r->v2; i++) {
        cgroup_path(path, sizeof path, r, i, "/tasks");
        fds[i] = open(path, O_WRONLY | O_CLOEXEC);
        CHECK(fds[i]);
    }
    return r->v2 ? 0 : r->tree_count;
}

void cgroup_enter(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        CHECK(write(fds[i], "0", 1));
}
