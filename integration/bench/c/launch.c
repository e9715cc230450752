// launch FILE PROGRAM ARGUMENT...: runs a program and writes its peak memory in KiB
// and its page faults into FILE. The kernel counts what a process used before its
// execve to its peak: only a program as small as this one measures a small one.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 125;
    pid_t pid = vfork();
    if (pid == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 125;
    char text[64];
    int length = snprintf(text, sizeof text, "%ld %ld\n", usage.ru_maxrss, usage.ru_minflt + usage.ru_majflt);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, length) != length)
        return 125;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
