/* trap.c - setting up the vectors, and sorting out every exception but a refill. */
#include "kernel.h"

u32 kernel_sp; /* where the exception entry starts when it comes from user mode */

/* Make newly written instructions visible to instruction fetch. */
static void sync_instructions(u32 start, u32 end) {
  u32 step;
  __asm__("rdhwr %0, $1" : "=r"(step)); /* SYNCI_Step: 0 when there is nothing to do */
  for (u32 line = start; step != 0 && line < end; line += step)
    __asm__ volatile("synci 0(%0)" : : "r"(line) : "memory");
  __asm__ volatile("sync; ehb" : : : "memory");
}

void trap_init(void) {
  u32 size = (u32)(vectors_end - vectors_start);
  memcpy((void *)KSEG0, vectors_start, size);
  sync_instructions(KSEG0, KSEG0 + size);

  write_ebase(KSEG0);     /* still under BEV, see start.S */
  write_cause(CAUSE_IV);  /* interrupts to +200h */
  write_hwrena(HWRENA_CPUNUM_SYNCI_CC_CCRES);
  write_status(STATUS_IM7 | STATUS_IM2); /* IE stays off: only user mode and idle set it */
  hazard();
}

static const char *const exception_names[32] = {
    [1] = "store to a read-only page", [2] = "load from an unmapped page", [3] = "store to an unmapped page",
    [4] = "bad address on load",       [5] = "bad address on store",       [6] = "instruction bus error",
    [7] = "data bus error",            [8] = "system call",                [9] = "breakpoint",
    [10] = "reserved instruction",     [11] = "coprocessor unusable",      [12] = "integer overflow",
    [13] = "trap instruction",         [15] = "floating point exception",  [23] = "watch",
    [24] = "machine check",
};

static void unexpected(struct frame *frame, u32 code) {
  const char *name = exception_names[code] ? exception_names[code] : "unknown exception";
  if (code <= EXC_TLBS && memory.free == 0) name = "out of memory";
  if (!(frame->status & STATUS_UM))
    panic("%s in the kernel: epc %08x, badvaddr %08x, ra %08x", name, frame->epc, frame->badvaddr,
          frame->r[31]);
  print("[%u %s: %s, pc %08x", current->pid, current->name, name, frame->epc);
  if (code >= EXC_MOD && code <= EXC_ADES) print(", address %08x", frame->badvaddr);
  print("]\n");
  proc_exit();
}

/* A TLB exception with a TLB entry that says "ask": not yet mapped, or not yet writable. */
static bool page_fault(struct frame *frame, u32 code) {
  u32 va = frame->badvaddr;
  if (code == EXC_MOD) stats.modified++;
  else if (code == EXC_TLBS) stats.invalid_stores++;
  else stats.invalid_loads++;

  if (!(frame->status & STATUS_UM) && kernel_fault(va)) {
    stats.kernel_faults++;
    return true; /* not traced: the trace itself lives there */
  }
  if (!current->user || !space_fault(&current->space, va, code != EXC_TLBL)) return false;
  current->faults++;
  trace(code == EXC_MOD    ? EVENT_MODIFIED
        : code == EXC_TLBS ? EVENT_STORE
                           : EVENT_LOAD,
        va, frame->epc);
  return true;
}

static void interrupt(struct frame *frame) {
  u32 pending = frame->cause & frame->status;
  if (pending & CAUSE_IP7) timer_interrupt();
  if (pending & CAUSE_IP2) irq_interrupt();

  /* See idle_wait(): close the gap between its test and its WAIT. */
  if (frame->epc >= (u32)idle_check && frame->epc < (u32)idle_done) frame->epc = (u32)idle_check;
}

void trap(struct frame *frame) {
  u32 code = (frame->cause >> 2) & 31;
  switch (code) {
  case EXC_INT:
    interrupt(frame);
    break;
  case EXC_MOD:
  case EXC_TLBL:
  case EXC_TLBS:
    if (!page_fault(frame, code)) unexpected(frame, code);
    break;
  case EXC_SYS:
    if (!(frame->status & STATUS_UM)) unexpected(frame, code);
    stats.syscalls++;
    frame->epc += 4; /* our user programs have no SYSCALL in a delay slot */
    syscall(frame);
    break;
  default:
    unexpected(frame, code);
  }

  /* Preemption: only user mode is ever interrupted in favour of someone else. */
  if (reschedule && (frame->status & STATUS_UM)) schedule();
}
