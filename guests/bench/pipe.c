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

#define PAGE 4096
#define MOST_PAGES 256

/* Two pages before and after, so that nothing else is in a pair of pages with these. */
static u8 area[(MOST_PAGES + 4) * PAGE];

/* Loads from and stores to pages in a row. */
static void touch(u32 pages) {
  volatile u8 *at = area + 2 * PAGE;
  for (; pages > 0; pages--, at += PAGE) ++*at;
}

/* A round is a hundred words there and back; who has the word touches some pages of its own first. */
static u32 exchange(u32 rounds, u32 pages) {
  int there[2], back[2], status = -1;
  u32 word = 1, count = rounds * 100;
  make_pipe(there);
  make_pipe(back);
  long child = syscall1(SYS_FORK, 0);
  if (child < 0) fail("fork");
  if (child == 0) {
    for (; count > 0; count--) {
      u32 received = receive(there[0]);
      touch(pages);
      send(back[1], add_to(received, count));
    }
    for (;;) syscall1(SYS_EXIT, 0);
  }
  for (; count > 0; count--) {
    touch(pages);
    send(there[1], word);
    word = receive(back[0]) + 1;
  }
  if (syscall4(SYS_WAIT4, child, (long)&status, 0, 0) != child || status != 0) fail("wait4");
  return word;
}

u32 pipe(u32 rounds) { return exchange(rounds, 0); }
u32 turns1(u32 rounds) { return exchange(rounds, 1); }
u32 turns256(u32 rounds) { return exchange(rounds, MOST_PAGES); }
