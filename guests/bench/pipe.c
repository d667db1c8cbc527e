/* pipe.c - two processes that send a word back and forth: each time the kernel switches between them. */
#include "bench.h"
#include "syscall.h"

static void make_pipe(int ends[2]) {
  if (syscall2(SYS_PIPE2, ends, 0) < 0) fail("pipe2");
}

static u32 receive(int from) {
  u32 word;
  if (syscall3(SYS_READ, from, &word, sizeof word) != sizeof word) fail("read");
  return word;
}

static void send(int to, u32 word) {
  if (syscall3(SYS_WRITE, to, &word, sizeof word) != sizeof word) fail("write");
}

/* A round is a hundred words there and back. */
u32 pipe(u32 rounds) {
  int there[2], back[2], status = -1;
  u32 word = 1, count = rounds * 100;
  make_pipe(there);
  make_pipe(back);
  long child = syscall1(SYS_FORK, 0);
  if (child < 0) fail("fork");
  if (child == 0) {
    for (; count > 0; count--) send(back[1], add_to(receive(there[0]), count));
    for (;;) syscall1(SYS_EXIT, 0);
  }
  for (; count > 0; count--) {
    send(there[1], word);
    word = receive(back[0]) + 1;
  }
  if (syscall4(SYS_WAIT4, child, (long)&status, 0, 0) != child || status != 0) fail("wait4");
  return word;
}
