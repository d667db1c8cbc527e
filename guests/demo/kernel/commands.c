/* commands.c - the table of the monitor's commands, and those that only look. */
#include "kernel.h"

static void run_help(int argc, char **argv) {
  (void)argc, (void)argv;
  for (u32 i = 0; i < command_count; i++)
    print("  %-11s%-20s%s\n", commands[i].name, commands[i].arguments, commands[i].help);
  print("Ctrl-D on an empty line turns the machine off.\n");
}

static const char *state_name(const struct proc *proc) {
  if (proc == current) return "running";
  if (proc->daemon && hold_daemons) return "held";
  return proc->state == RUNNABLE ? "ready" : proc->state == SLEEPING ? "asleep" : "ended";
}

static void run_ps(int argc, char **argv) {
  (void)argc, (void)argv;
  print(" pid  name      state    asid  ticks  faults  pages    result\n");
  for (u32 i = 0; i < PROCS; i++) {
    const struct proc *proc = &procs[i];
    if (proc->state == UNUSED) continue;
    print("%4u  %-8s  %-7s", proc->pid, proc->name, state_name(proc));
    if (proc->user)
      print("%6u%7u%8u%7u%10u\n", proc->space.asid & ENTRYHI_ASID, proc->ticks, proc->faults,
            proc->space.pages, proc->result);
    else print("     -%7u       -      -         -\n", proc->ticks);
  }
}

static void map_line(u32 start, u32 last, const char *text) { print("  %08x-%08x  %s\n", start, last, text); }

static void map_process(const struct proc *proc) {
  const struct space *space = &proc->space;
  print("pid %u (%s), asid %u:\n", proc->pid, proc->name, space->asid & ENTRYHI_ASID);
  for (u32 i = 0; i < AREAS; i++) {
    const struct area *area = &space->areas[i];
    if (area->start == area->end) continue;
    print("  %08x-%08x  %-5s  r%c  %u of %u pages mapped\n", area->start, area->end - 1, area->name,
          area->writable ? 'w' : '-', space_resident(space, area), (area->end - area->start) / PAGE_SIZE);
  }
  print("  %u pages of its own, %u page tables\n", space->pages, space->tables);
}

static void run_map(int argc, char **argv) {
  if (argc > 1) {
    const struct proc *proc = proc_find(argument(argc, argv, 1, 0, 0, 0xFFFFFFFF));
    if (proc == NULL || !proc->user || proc->state == ZOMBIE) print("no such user process; try ps\n");
    else map_process(proc);
    return;
  }
  extern char start[], kernel_end[];
  map_line(0, 0x3FFFFFFF, "user programs (map PID shows one)");
  map_line(KSEG0, KSEG0 + VECTORS_END - 1, "exception vectors");
  map_line((u32)start, (u32)kernel_end - 1, "kernel");
  map_line((u32)kernel_end, KSEG0 + memory.total * PAGE_SIZE - 1, "pages to give out");
  map_line(KSEG2, KSEG2 + TRACE_SIZE - 1, "trace ring, through the TLB");
  map_line(UNCACHED + ISA_IO, UNCACHED + ISA_IO + 0xFFFF, "PCI I/O: UART, 8259s, power");
  map_line(UNCACHED + GT64120, UNCACHED + GT64120 + 0xFFF, "GT-64120 registers");
}

static void run_tlb(int argc, char **argv) {
  (void)argc, (void)argv;
  tlb_dump();
}

static void run_mem(int argc, char **argv) {
  (void)argc, (void)argv;
  u32 in_k = PAGE_SIZE / 1024, own = 0, tables = 0;
  for (u32 i = 0; i < PROCS; i++) {
    if (procs[i].state == UNUSED || !procs[i].user) continue;
    own += procs[i].space.pages;
    tables += procs[i].space.tables + 1;
  }
  print("%u KiB of memory, %u KiB free\n", memory.total * in_k, memory.free * in_k);
  print("%u KiB in pages of processes, %u KiB in their page tables\n", own * in_k, tables * in_k);
}

static void run_uptime(int argc, char **argv) {
  (void)argc, (void)argv;
  print("%u.%02u s, %u ticks, Count %08x\n", ticks / TICK_HZ, ticks % TICK_HZ, ticks, read_count());
}

static void run_stats(int argc, char **argv) {
  (void)argc, (void)argv;
  const struct {
    const char *name;
    u32 value;
  } lines[] = {
      {"TLB refills", stats.refills},
      {"TLB invalid, load", stats.invalid_loads},
      {"TLB invalid, store", stats.invalid_stores},
      {"TLB modified", stats.modified},
      {"  of these in KSeg2", stats.kernel_faults},
      {"pages filled with zero", stats.zero_fills},
      {"pages copied on write", stats.copies},
      {"system calls", stats.syscalls},
      {"timer interrupts", stats.timer_interrupts},
      {"device interrupts", stats.device_interrupts},
      {"context switches", stats.switches},
      {"ASIDs given out", stats.asids},
      {"ASID rollovers", stats.asid_rollovers},
  };
  for (u32 i = 0; i < COUNT_OF(lines); i++) print("  %-24s%10u\n", lines[i].name, lines[i].value);
}

static void run_trace(int argc, char **argv) { trace_dump(argument(argc, argv, 1, 20, 1, TRACE_EVENTS)); }

static void run_poweroff(int argc, char **argv) {
  (void)argc, (void)argv;
  power_off();
}

const struct command commands[] = {
    {"help", "", "this list", run_help},
    {"tour", "", "run the workloads and tell what they cost, and why", run_tour},
    {"ps", "", "processes", run_ps},
    {"map", "[pid]", "memory map of the kernel or of a process", run_map},
    {"tlb", "", "what the TLB holds", run_tlb},
    {"mem", "", "memory in use", run_mem},
    {"stats", "", "exceptions and switches since boot", run_stats},
    {"exceptions", "", "the same", run_stats},
    {"trace", "[events]", "the latest events", run_trace},
    {"uptime", "", "time since boot", run_uptime},
    {"spin", "[loops]", "integer loop", run_spin},
    {"syscall", "[calls]", "system calls", run_syscall},
    {"rdhwr", "[reads]", "read Count from user mode", run_rdhwr},
    {"touch", "[pages] [rounds]", "touch pages again and again: TLB refills", run_touch},
    {"demand", "[pages]", "touch pages for the first time: page faults", run_demand},
    {"asid", "[switches] [pages]", "two processes take turns: context switches", run_asid},
    {"churn", "[processes]", "start and end processes: ASID rollover", run_churn},
    {"crash", "[kind]", "a process that does something wrong", run_crash},
    {"poweroff", "", "turn the machine off", run_poweroff},
};
const u32 command_count = COUNT_OF(commands);
