/*
 * abi.h - what the kernel and the user programs agree on.
 *
 * Included by C and by assembly. A system call has its number in v0, up to
 * three arguments in a0..a2, and its result in v0.
 */
#ifndef ABI_H
#define ABI_H

#define SYS_EXIT 0   /* exit(code)            does not return                   */
#define SYS_WRITE 1  /* write(text, length)   to the console; bytes written     */
#define SYS_YIELD 2  /* yield()               let another process run           */
#define SYS_GETPID 3 /* getpid()                                                */
#define SYS_SLEEP 4  /* sleep(ticks)          of the 100 Hz clock               */
#define SYS_MAP 5    /* map(bytes)            grow the heap; address of the new part */
#define SYS_MARK 6   /* mark(0 or 1)          snapshot the kernel's counters    */
#define SYS_REPORT 7 /* report(value)         the number that `ps` shows        */
#define SYS_COUNT 8

/* Which program of the user image a process runs (its first argument). */
#define PROG_HELLO 0
#define PROG_PRIMES 1
#define PROG_WALKER 2
#define PROG_REVERSER 3
#define PROG_TICKER 4
#define PROG_TOUCH 5
#define PROG_DEMAND 6
#define PROG_PINGPONG 7
#define PROG_SPIN 8
#define PROG_CALLS 9
#define PROG_RDHWR 10
#define PROG_BRIEF 11
#define PROG_CRASH 12

/* What PROG_CRASH does wrong (its argument). */
#define CRASH_NULL 0
#define CRASH_UNALIGNED 1
#define CRASH_KERNEL 2
#define CRASH_PRIVILEGED 3
#define CRASH_RESERVED 4
#define CRASH_OVERFLOW 5
#define CRASH_BREAK 6
#define CRASH_TRAP 7
#define CRASH_TEXT 8

#endif
