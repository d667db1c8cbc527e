/* syscall.h - system calls of 32-bit Linux: o32 MIPS and i386. A negative result is an error number. */
#pragma once

#if defined(__mips__)
#define SYSCALL(number) (4000 + (number))
#define SYSCALL_PIPE2 4328
#elif defined(__i386__)
#define SYSCALL(number) (number)
#define SYSCALL_PIPE2 331
#else
#error "no system calls for this processor"
#endif

/* The old numbers are the same on both but for the offset. */
enum {
  SYS_EXIT = SYSCALL(1),
  SYS_FORK = SYSCALL(2),
  SYS_READ = SYSCALL(3),
  SYS_WRITE = SYSCALL(4),
  SYS_OPEN = SYSCALL(5),
  SYS_CLOSE = SYSCALL(6),
  SYS_CREAT = SYSCALL(8),
  SYS_UNLINK = SYSCALL(10),
  SYS_EXECVE = SYSCALL(11),
  SYS_BRK = SYSCALL(45),
  SYS_UMASK = SYSCALL(60),
  SYS_WAIT4 = SYSCALL(114),
  SYS_PIPE2 = SYSCALL_PIPE2,
};

static inline long syscall4(long number, long a, long b, long c, long d) {
#if defined(__mips__)
  register long v0 __asm__("v0") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  __asm__ volatile("syscall"
                   : "+r"(v0), "+r"(a3)
                   : "r"(a0), "r"(a1), "r"(a2)
                   : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi",
                     "lo", "memory");
  return a3 != 0 ? -v0 : v0;
#else
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
#endif
}

#define syscall1(number, a) syscall4(number, (long)(a), 0, 0, 0)
#define syscall2(number, a, b) syscall4(number, (long)(a), (long)(b), 0, 0)
#define syscall3(number, a, b, c) syscall4(number, (long)(a), (long)(b), (long)(c), 0)
