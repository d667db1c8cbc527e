/* main.c - picks the program that this process is to run. */
#include "user.h"

static void hello(void) {
  static char text[] = "hello from user mode, I am process 0\n";
  text[sizeof text - 3] = (char)('0' + getpid() % 10); /* a store to data: copy on write */
  write(text, sizeof text - 1);
}

u32 user_main(u32 program, u32 a, u32 b) {
  switch (program) {
  case PROG_HELLO:
    hello();
    break;
  case PROG_PRIMES:
    primes();
    break;
  case PROG_WALKER:
    walker();
    break;
  case PROG_REVERSER:
    reverser();
    break;
  case PROG_TICKER:
    ticker();
    break;
  case PROG_TOUCH:
    touch(a, b);
    break;
  case PROG_DEMAND:
    demand(a);
    break;
  case PROG_PINGPONG:
    pingpong(a, b);
    break;
  case PROG_SPIN:
    spin(a);
    break;
  case PROG_CALLS:
    calls(a);
    break;
  case PROG_RDHWR:
    rdhwr(a);
    break;
  case PROG_BRIEF:
    break;
  case PROG_CRASH:
    crash(a, b);
    break;
  }
  return 0;
}
