/*
 * libseccomp as an oracle: reads filters as text, answers with the programs that libseccomp makes
 * of them. The tests compile it with the system's C compiler where libseccomp is installed.
 *
 *   resolve ARCH NAME                      number
 *   filter REPEAT OPTIMIZE DEFAULT ARCH... begins a filter; ARCH are SCMP_ARCH_* values
 *   rule ACTION NAME COUNT [ARG OP A B]... adds a rule
 *   end                                    "ok LENGTH NANOSECONDS" and the program, "error STEP CODE",
 *                                          or "endless" after SECONDS of processor time
 *
 * Numbers are decimal. REPEAT builds the filter that many times and tells the fastest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES 65536
#define MAX_ARCHS 32
#define SECONDS 2

struct rule {
	uint32_t action;
	char name[64];
	unsigned int count;
	struct scmp_arg_cmp args[6];
};

static struct rule rules[MAX_RULES];
static unsigned int rule_count;
static uint32_t archs[MAX_ARCHS];
static unsigned int arch_count, repeat, optimize, default_action;

static const char *step;

/* Does what runc does with a profile. Returns the context, or NULL with the code in *rc. */
static scmp_filter_ctx build(int *rc)
{
	scmp_filter_ctx ctx = seccomp_init(default_action);

	step = "init";
	*rc = -EINVAL;
	if (!ctx)
		return NULL;
	step = "arch";
	*rc = seccomp_arch_remove(ctx, seccomp_arch_native());
	for (unsigned int i = 0; i < arch_count && *rc == 0; i++)
		*rc = seccomp_arch_add(ctx, archs[i]);
	if (*rc == 0 && optimize)
		*rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned int i = 0; i < rule_count && *rc == 0; i++) {
		int number = seccomp_syscall_resolve_name(rules[i].name);

		step = "rule";
		if (number == __NR_SCMP_ERROR)
			continue;
		*rc = seccomp_rule_add_array(ctx, rules[i].action, number, rules[i].count,
					     rules[i].args);
	}
	if (*rc == 0)
		return ctx;
	seccomp_release(ctx);
	return NULL;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Answers and begins afresh, as the library is amid something. Every request has been read. */
static void give_up(int signal)
{
	static const char answer[] = "endless\n";

	(void)signal;
	if (write(STDOUT_FILENO, answer, sizeof(answer) - 1) > 0)
		execl("/proc/self/exe", "oracle", (char *)NULL);
	_exit(3);
}

static void limit(int seconds)
{
	struct itimerval time = { .it_value = { .tv_sec = seconds } };
	struct sigaction action = { .sa_handler = give_up, .sa_flags = SA_NODEFER };

	sigaction(SIGVTALRM, &action, NULL);
	setitimer(ITIMER_VIRTUAL, &time, NULL);
}

static void end(void)
{
	static struct { uint16_t code; uint8_t jt, jf; uint32_t k; } program[65536];
	long long best = -1;
	ssize_t length = 0;

	limit(SECONDS);
	for (unsigned int i = 0; i < repeat; i++) {
		int rc, fd = memfd_create("filter", MFD_CLOEXEC);
		long long start = now(), took;
		scmp_filter_ctx ctx = build(&rc);

		if (ctx) {
			step = "export";
			rc = seccomp_export_bpf(ctx, fd);
			took = now() - start;
			if (best < 0 || took < best)
				best = took;
			seccomp_release(ctx);
		}
		if (rc == 0)
			length = pread(fd, program, sizeof(program), 0);
		close(fd);
		if (rc != 0) {
			limit(0);
			printf("error %s %d\n", step, rc);
			fflush(stdout);
			return;
		}
	}
	limit(0);
	length /= (ssize_t)sizeof(program[0]);
	printf("ok %zd %lld\n", length, best);
	for (ssize_t i = 0; i < length; i++)
		printf("%u %u %u %u\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
	fflush(stdout);
}

static void read_filter(const char *line)
{
	int used;

	rule_count = arch_count = 0;
	if (sscanf(line, "filter %u %u %u%n", &repeat, &optimize, &default_action, &used) != 3)
		exit(2);
	for (line += used; arch_count < MAX_ARCHS; line += used, arch_count++)
		if (sscanf(line, "%u%n", &archs[arch_count], &used) != 1)
			break;
}

static void read_rule(const char *line)
{
	struct rule *rule = &rules[rule_count];
	int used;

	if (rule_count == MAX_RULES ||
	    sscanf(line, "rule %u %63s %u%n", &rule->action, rule->name, &rule->count, &used) != 3 ||
	    rule->count > 6)
		exit(2);
	for (unsigned int i = 0; i < rule->count; i++) {
		unsigned int arg, op;
		unsigned long long a, b;

		line += used;
		if (sscanf(line, "%u %u %llu %llu%n", &arg, &op, &a, &b, &used) != 4)
			exit(2);
		rule->args[i] = (struct scmp_arg_cmp){ arg, (enum scmp_compare)op, a, b };
	}
	rule_count++;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		unsigned int arch;
		char name[64];

		if (sscanf(line, "resolve %u %63s", &arch, name) == 2) {
			printf("%d\n", seccomp_syscall_resolve_name_arch(arch, name));
			fflush(stdout);
		} else if (strncmp(line, "filter ", 7) == 0) {
			read_filter(line);
		} else if (strncmp(line, "rule ", 5) == 0) {
			read_rule(line);
		} else if (strcmp(line, "end\n") == 0) {
			end();
		} else {
			return 2;
		}
	}
	return 0;
}
