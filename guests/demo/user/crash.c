/* crash.c - things a user process must not do. Returning means that it could. */
#include "user.h"

void crash(u32 kind, u32 kernel_address) {
  static u32 words[2];
  u32 address = (u32)words, value = 0x7FFFFFFF;
  OPAQUE(address);
  switch (kind) {
  case CRASH_NULL:
    address = 0;
    OPAQUE(address);
    *(volatile u32 *)address = 1;
    break;
  case CRASH_UNALIGNED:
    __asm__ volatile("lw %0, 1(%1)" : "=r"(value) : "r"(address));
    break;
  case CRASH_KERNEL:
    value = *(volatile u32 *)kernel_address;
    break;
  case CRASH_PRIVILEGED:
    __asm__ volatile("mfc0 %0, $12" : "=r"(value));
    break;
  case CRASH_RESERVED:
    __asm__ volatile(".word 0x0000003F"); /* SPECIAL with an unused function */
    break;
  case CRASH_OVERFLOW:
    __asm__ volatile("add %0, %0, %0" : "+r"(value));
    break;
  case CRASH_BREAK:
    __asm__ volatile("break 7");
    break;
  case CRASH_TRAP:
    __asm__ volatile("teq $0, $0");
    break;
  case CRASH_TEXT:
    *(volatile u32 *)&crash = 0;
    break;
  }
}
