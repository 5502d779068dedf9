/* The floor: a container as quickly as a resident C program makes it, for the benchmark.
 *
 * The same namespaces as `kernelbox run --network none`, an overlay root, /proc, pivot_root, execve,
 * wait, and the removal of what the overlay needed. No cgroup, no limits, no /dev, no masks, no
 * capabilities, no record of anything.
 *
 *     floor LOWERDIR DIRECTORY PROGRAM
 *
 * For each line on standard input: one container from start to exit, its upper and work directory
 * in DIRECTORY; the nanoseconds it took are printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(long result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        _exit(125);
    }
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* The container side: its own view of mounts, and then the program. Does not return. */
static void become(const char *options, char *program)
{
    char *arguments[] = {program, NULL}, *environment[] = {"PATH=/bin", NULL};

    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount private");
    must(mount("overlay", "merged", "overlay", MS_NODEV, options), "mount overlay");
    must(chdir("merged"), "chdir");
    must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
    must(umount2(".", MNT_DETACH), "umount2");
    must(chdir("/"), "chdir /");
    must(execve(program, arguments, environment), program);
}

static void run(const char *options, char *program)
{
    static const char *directories[] = {"upper", "work", "merged"};
    struct clone_args arguments = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
                 | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    int status;

    for (int i = 0; i < 3; i++)
        must(mkdir(directories[i], 0755), directories[i]);
    pid_t pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    must(pid, "clone3");
    if (pid == 0)
        become(options, program);
    must(waitpid(pid, &status, 0), "waitpid");
    for (int i = 0; i < 3; i++)
        must(nftw(directories[i], remove_one, 16, FTW_DEPTH | FTW_PHYS), "remove");
    if (status != 0)
        exit(125);
}

int main(int count, char **words)
{
    char line[16], options[8192];

    if (count != 4)
        return 2;
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=upper,workdir=work,volatile", words[1]);
    must(chdir(words[2]), words[2]);
    while (fgets(line, sizeof line, stdin)) {
        int64_t began = now();
        run(options, words[3]);
        printf("%lld\n", (long long)(now() - began));
        fflush(stdout);
    }
    return 0;
}
