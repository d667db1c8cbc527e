/* spawn.c - starts a program and waits for its end: fork, exec, exit and wait. */
#include "bench.h"
#include "syscall.h"

/* A round is one process; it ends with a status that says which. */
u32 spawn(u32 rounds) {
  u32 sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    u32 wanted = 10 + round % 90;
    const char number[] = {(char)('0' + wanted / 10), (char)('0' + wanted % 10), 0};
    const char *const arguments[] = {own_file, "exit", number, 0};
    const char *const environment[] = {0};
    int status = -1;
    long child = syscall1(SYS_FORK, 0);
    if (child < 0) fail("fork");
    if (child == 0) {
      syscall3(SYS_EXECVE, own_file, arguments, environment);
      fail("execve");
    }
    if (syscall4(SYS_WAIT4, child, (long)&status, 0, 0) != child) fail("wait4");
    sum = add_to(sum, (u32)status);
  }
  return sum;
}
