/*
 * user.h - for the user programs: system calls (crt.S) and the programs themselves.
 * All programs are one image; the kernel says which one a process is to run.
 */
#ifndef USER_H
#define USER_H

#include "../abi.h"

typedef unsigned int u32;

void exit(u32 code) __attribute__((noreturn));
u32 write(const char *text, u32 length);
void yield(void);
u32 getpid(void);
void sleep(u32 ticks);
char *map(u32 bytes);
void mark(u32 which);
void report(u32 value);

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#define PAGE_SIZE (1u << PAGE_SHIFT)

/* Keep a loop whose result nobody needs: the compiler must not look through this. */
#define OPAQUE(value) __asm__ volatile("" : "+r"(value))

/* daemons.c: they run for ever, in the background. */
void primes(void);
void walker(void);
void reverser(void);
void ticker(void);

/* work.c: what the monitor's workloads run. */
void touch(u32 pages, u32 rounds);
void demand(u32 pages);
void pingpong(u32 turns, u32 pages);
void spin(u32 loops);
void calls(u32 count);
void rdhwr(u32 count);

/* crash.c */
void crash(u32 kind, u32 kernel_address);

#endif
